"""Gaussian smoothing on the device of the maps."""

from __future__ import annotations

import torch
from torch import Tensor

TRUNCATE = 4.0  # standard deviations that the kernel reaches, as SciPy's does


def gaussian(maps: Tensor, sigma: float) -> Tensor:
    """Smooth (..., H, W) by a Gaussian of ``sigma`` pixels: what ``scipy.ndimage.gaussian_filter`` gives.

    Beyond the border the map continues as its mirror image, with the outermost pixel twice (SciPy's mode "reflect").
    A separable convolution, written as two products with the band matrices of :func:`_band`: quicker than a
    convolution of one channel, on a CPU and on a GPU.
    """
    if sigma == 0:
        return maps
    rows, columns = (_band(side, sigma).to(maps) for side in maps.shape[-2:])
    return rows @ maps @ columns.T


def _band(side: int, sigma: float) -> Tensor:
    """The matrix (side, side) that smooths a column of ``side`` pixels, in double precision."""
    reach = int(TRUNCATE * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    weights /= weights.sum()
    sources = (torch.arange(side)[:, None] + steps.long()) % (2 * side)
    sources = torch.where(sources < side, sources, 2 * side - 1 - sources)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, sources, weights.expand(side, -1))
