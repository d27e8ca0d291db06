"""A grid of experiments: data sets x methods x networks x seeds."""
