"""The normalization of networks that were trained on ImageNet."""

from __future__ import annotations

from torch import Tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB images in [0, 1]


def normalize_for_imagenet(images: Tensor) -> Tensor:
    """Return gray or RGB images (B, 1 or 3, H, W) in [-1, 1] as normalized RGB (B, 3, H, W); gray is repeated."""
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return ((images.expand(-1, 3, -1, -1) + 1) / 2 - mean) / std
