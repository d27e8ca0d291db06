"""Pool feature maps to a vector for each image, and distribute a linear score of it over the positions of the maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from medad.functional.smoothing import gaussian

SCALES = 3  # maps of which the maximum is a feature too; of deeper maps only the mean is


def pool_features(maps: Sequence[Tensor]) -> Tensor:
    """Return the features (B, D) of feature maps (B, C_s, h_s, w_s).

    They are the spatial means of all maps, then the spatial maxima of the first ``SCALES`` maps.
    """
    means = [feature_map.mean(dim=(2, 3)) for feature_map in maps]
    maxima = [feature_map.amax(dim=(2, 3)) for feature_map in maps[:SCALES]]
    return torch.cat([*means, *maxima], dim=1)


def spread_over_positions(maps: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """Return how much each position adds to ``pool_features(maps) @ weights``, one map (B, 1, h_s, w_s) for each scale.

    The spatial means of the returned maps add up to that linear score. A mean is spread over all positions of its
    channel; a maximum belongs to the position where it is reached.
    """
    channels = [feature_map.shape[1] for feature_map in maps]
    parts = torch.split(weights, [*channels, *channels[:SCALES]])
    contributions = [
        torch.einsum("bchw,c->bhw", feature_map, part) for feature_map, part in zip(maps, parts, strict=False)
    ]
    for scale, part in enumerate(parts[len(maps) :]):
        values, positions = maps[scale].flatten(2).max(dim=2)
        area = maps[scale].shape[2] * maps[scale].shape[3]
        at_maxima = torch.zeros_like(contributions[scale]).flatten(1)
        at_maxima.scatter_add_(1, positions, values * part * area)
        contributions[scale] = contributions[scale] + at_maxima.view_as(contributions[scale])
    return [contribution[:, None] for contribution in contributions]


def spread_mean_over_positions(mean_maps: Sequence[Tensor], mean_features: Tensor, weights: Tensor) -> list[Tensor]:
    """Return the mean over images of :func:`spread_over_positions`, one map (1, 1, h_s, w_s) for each scale.

    ``mean_maps`` (C_s, h_s, w_s) and ``mean_features`` (D,) are means over the images. The position of a maximum
    differs between images, so the part of the maxima is spread evenly.
    """
    weights = weights.to(mean_features)
    channels = [mean_map.shape[0] for mean_map in mean_maps]
    parts = torch.split(weights, [*channels, *channels[:SCALES]])
    of_maxima = torch.split(mean_features, [*channels, *channels[:SCALES]])[len(channels) :]
    spread = [
        torch.einsum("chw,c->hw", mean_map.to(weights), part) for mean_map, part in zip(mean_maps, parts, strict=False)
    ]
    for scale, (part, maxima) in enumerate(zip(parts[len(channels) :], of_maxima, strict=True)):
        spread[scale] = spread[scale] + part @ maxima
    return [contribution[None, None] for contribution in spread]


def sum_on_image(parts: Sequence[Tensor], size: Sequence[int], sigma: float) -> Tensor:
    """Return the sum (B, 1, H, W) of the maps (B, 1, h_s, w_s) of several scales on an image of ``size`` (H, W).

    The sum is smoothed by a Gaussian of ``sigma`` image pixels, on the grid of the finest scale, where it costs least.
    """
    finest = parts[0].shape[-2:]
    scales = torch.stack([interpolate(part, finest, mode="bilinear", align_corners=False) for part in parts])
    smooth = gaussian(scales.sum(dim=0), sigma * finest[0] / size[0])
    return interpolate(smooth, tuple(size), mode="bilinear", align_corners=False)
