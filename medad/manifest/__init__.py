"""A manifest: a hospital's own data set as one table of files, roles and labels."""
