"""Map an image of any size to a network's grid and to [-1, 1], and maps on that grid back, with NumPy alone.

The arrays have the axes of the readers: (C, W, H) for a picture, (C, X, Y, Z) for a volume turned to RAS. The results
are those of the MONAI transforms in ``medad/data/transforms.py``, up to rounding.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medad.functional.resampling import resize

Floats = NDArray[np.float32]
Range = tuple[float, float]
MOST_PIXELS = 2_000_000  # of an image, that percentiles are computed from
FINER = 4  # "two_steps" goes to 256 by way of 1024


def extremes(pixels: Floats) -> Range:
    """Return the minimum and the maximum."""
    return float(pixels.min()), float(pixels.max())


def percentiles(pixels: Floats, shares: tuple[float, float]) -> Range:
    """Return the quantiles ``shares`` of at most two million evenly spaced pixels, interpolated in single precision."""
    flat = pixels.reshape(-1)
    flat = flat[:: max(1, len(flat) // (MOST_PIXELS // 2))][:MOST_PIXELS].astype(np.float32)
    places = np.asarray(shares, np.float32) * np.float32(len(flat) - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, len(flat) - 1)
    ordered = np.partition(flat, np.unique([*below, *above]))
    part, first, second = places - below.astype(np.float32), ordered[below], ordered[above]
    low, high = np.where(part < 0.5, first + part * (second - first), second - (second - first) * (1 - part)).tolist()
    return low, high


def to_slices(image: Floats, affine: NDArray[Any]) -> Floats:
    """Return an image as the slices (N, C, rows, columns) that a radiologist sees.

    Args:
        image: A picture (C, W, H), which gives one slice, or a volume (C, X, Y, Z), which gives its axial slices.
        affine: From index to RAS mm, (4, 4).
    """
    if image.ndim == 3:
        return np.ascontiguousarray(image.transpose(0, 2, 1))[None]
    from nibabel.orientations import apply_orientation

    turned = apply_orientation(np.moveaxis(image, 0, -1), _axial(affine))  # (columns, rows, slices, C)
    return np.ascontiguousarray(turned.transpose(2, 3, 1, 0))


def from_slices(slices: Floats, affine: NDArray[Any], volume: bool) -> Floats:
    """Undo :func:`to_slices`: return (C, W, H), or (C, X, Y, Z) for a ``volume``."""
    if not volume:
        return np.ascontiguousarray(slices[0].transpose(0, 2, 1))
    from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

    back = ornt_transform(axcodes2ornt("LPS"), io_orientation(affine))
    return np.ascontiguousarray(np.moveaxis(apply_orientation(slices.transpose(3, 2, 0, 1), back), -1, 0))


def _axial(affine: NDArray[Any]) -> NDArray[Any]:
    """Return the turn of a volume's axes to columns (to the patient's left), rows (to posterior) and slices."""
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    turn: NDArray[Any] = ornt_transform(io_orientation(affine), axcodes2ornt("LPS"))
    return turn


def to_grid(slices: Floats, size: int, how: Literal["antialiased", "plain", "two_steps"], bounds: Range) -> Floats:
    """Resize slices (N, C, H, W) to (N, C, size, size).

    "two_steps" goes by way of a grid ``FINER`` times finer, on which values are clipped to ``bounds``.
    """
    plane = (size, size)
    if how == "two_steps":
        finer = resize(slices, (FINER * size, FINER * size), "bicubic")
        return resize(np.clip(finer, *bounds), plane)
    return slices if slices.shape[-2:] == plane else resize(slices, plane, how)


def to_signed(pixels: Floats, bounds: Range) -> Floats:
    """Return 2 (x - low) / (high - low) - 1, clipped to [-1, 1]; a constant image becomes -1."""
    low, high = bounds
    factor = np.float32(2 / ((high - low) or 1.0))
    signed: Floats = np.clip((pixels - np.float32(low)) * factor - np.float32(1), -1, 1).astype(np.float32)
    return signed
