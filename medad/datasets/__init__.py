"""Datasets, one in each file. The files that the registry lists as shared register none."""
