"""Resize slices to the network's grid and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

Plane = tuple[int, int]
FINER = 4  # "two_steps" goes to 256 by way of 1024


def resize_slices(
    slices: Tensor, plane: Plane, resampling: str, bounds: tuple[float | None, float | None] = (None, None)
) -> Tensor:
    """Resize ``slices`` (N, C, H, W) to the rows and columns ``plane``.

    "antialiased" is bilinear with antialiasing, as Pillow's BILINEAR before rounding. "plain" is bilinear between the
    four nearest pixels, however much the image shrinks. "two_steps" resizes to a grid ``FINER`` times finer (bicubic,
    as Pillow's BICUBIC, clipped to ``bounds``) and from there by "antialiased".
    """
    if resampling == "two_steps":
        return torch.cat([_by_a_finer_grid(piece, plane, bounds) for piece in torch.split(slices, 1)])
    if tuple(slices.shape[2:]) == plane:
        return slices
    antialias = resampling == "antialiased"
    return interpolate(slices, plane, mode="bilinear", antialias=antialias, align_corners=False)


def _by_a_finer_grid(image: Tensor, plane: Plane, bounds: tuple[float | None, float | None]) -> Tensor:
    """Resize a slice (1, C, H, W) to ``FINER`` times ``plane``, clip it to ``bounds``, and resize it to ``plane``."""
    finer = tuple(FINER * side for side in plane)
    fine = interpolate(image, finer, mode="bicubic", antialias=True, align_corners=False)
    fine = fine if None in bounds else fine.clamp(*bounds)
    return interpolate(fine, plane, mode="bilinear", antialias=True, align_corners=False)
