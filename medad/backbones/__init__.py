"""Backbones, one in each file: image -> list of feature maps. A file that starts with "_" holds none."""
