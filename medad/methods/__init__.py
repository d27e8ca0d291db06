"""Methods, one in each file: what learns from a TrainingSet and scores images. Files that start with "_" hold none."""
