"""Backbones, one in each file: image -> list of feature maps.

Files whose names start with "_", and base.py, register no backbone.
"""

from typing import Literal

IMAGENET, NONE = "imagenet", "none"  # values of the setting ``weights``: the published ones, or random ones for tests
Fusion = Literal["bilinear", "nearest"]  # how branches of a network are upsampled where they meet
