"""Backbones, one in each file: image -> list of feature maps. A file that starts with "_" holds none."""

IMAGENET, NONE = "imagenet", "none"  # words for weights: the published ones, and none (tests only)
