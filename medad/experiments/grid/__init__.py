"""Run a grid of experiments: the product of data sets, methods, networks and seeds."""
