"""Which pixels show the object and which the background."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 256


def foreground(images: Tensor) -> Tensor:
    """Where an object lies on an even background: (B, C, H, W) in [-1, 1] -> 0/1 masks (B, 1, H, W).

    The background's color is the median of the outermost pixels, channel by channel. The object is what differs from
    it, in the channel that differs most, by more than Otsu's threshold of these differences. An image without any
    difference is foreground everywhere, so that it is not left without anomalies.
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
    """The threshold that leaves the least variance within the values on both sides of it (Otsu, 1979)."""
    highest = float(values.max())
    counts = torch.histc(values.float(), LEVELS, 0, highest).double()
    levels = (torch.arange(LEVELS, dtype=torch.float64, device=values.device) + 0.5) * (highest / LEVELS)
    below = counts.cumsum(dim=0)
    above = below[-1] - below
    sums = (counts * levels).cumsum(dim=0)
    means = sums / below.clamp(min=1), (sums[-1] - sums) / above.clamp(min=1)
    between = below * above * (means[0] - means[1]) ** 2
    return (int(between.argmax()) + 1) * highest / LEVELS
