"""Separate the pixels of an object from those of the background."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


def foreground(images: Tensor) -> Tensor:
    """Return 0/1 masks (B, 1, H, W) of objects on an even background in ``images`` (B, C, H, W) in [-1, 1].

    The color of the background is the median of the outermost pixels in each channel. A pixel belongs to the object if
    it differs from this color by more than Otsu's threshold, in the channel where it differs most. A constant image is
    foreground everywhere, so that synthetic anomalies can be placed on it.
    """
    border = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], dim=-1)
    differences = (images - border.median(dim=-1).values[..., None, None]).abs().amax(dim=1, keepdim=True)
    limits = [_otsu(difference) for difference in differences]
    masks = [
        difference > limit if difference.max() > 0 else torch.ones_like(difference)
        for difference, limit in zip(differences, limits, strict=True)
    ]
    return torch.stack([mask.to(images) for mask in masks])


def _otsu(values: Tensor) -> float:
    """Return the threshold with the least variance within the values on its two sides (Otsu, 1979)."""
    highest = float(values.max())
    counts = torch.histc(values.float(), LEVELS, 0, highest).double()
    levels = (torch.arange(LEVELS, dtype=torch.float64, device=values.device) + 0.5) * (highest / LEVELS)
    below = counts.cumsum(dim=0)
    above = below[-1] - below
    sums = (counts * levels).cumsum(dim=0)
    means = sums / below.clamp(min=1), (sums[-1] - sums) / above.clamp(min=1)
    between = below * above * (means[0] - means[1]) ** 2
    return (int(between.argmax()) + 1) * highest / LEVELS
