"""Gaussian smoothing on the device of the maps."""

from __future__ import annotations

import torch
from torch import Tensor

TRUNCATE = 4.0  # radius of the kernel in standard deviations, as in SciPy


def gaussian(maps: Tensor, sigma: float) -> Tensor:
    """Smooth ``maps`` (..., H, W) by a Gaussian of ``sigma`` pixels, as ``scipy.ndimage.gaussian_filter`` does.

    The border is extended by reflection, with the outermost pixel repeated (SciPy's mode "reflect"). The separable
    convolution is computed as two products with band matrices, which is faster than a single-channel convolution on
    both CPU and GPU.
    """
    if sigma == 0:
        return maps
    rows, columns = (_band(side, sigma).to(maps) for side in maps.shape[-2:])
    return rows @ maps @ columns.T


def _band(side: int, sigma: float) -> Tensor:
    """Return the matrix (side, side) that smooths a column of ``side`` pixels, in double precision."""
    reach = int(TRUNCATE * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    sources = (torch.arange(side)[:, None] + steps.long()) % (2 * side)
    sources = torch.where(sources < side, sources, 2 * side - 1 - sources)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, sources, weights.expand(side, -1))
