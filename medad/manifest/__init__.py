"""Create and read manifests: a user's own data set as one table of files, roles and labels."""
