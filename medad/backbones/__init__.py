"""Backbones, one in each file: image -> list of feature maps. A file that starts with "_" holds none."""

from typing import Literal

IMAGENET, NONE = "imagenet", "none"  # words for weights: the published ones, and none (tests only)
Fusion = Literal["bilinear", "nearest"]  # how branches of a network are upsampled where they meet
