"""Datasets, one in each file. Files that start with "_" hold none."""
