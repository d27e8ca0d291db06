"""Resize images with NumPy and SciPy as PyTorch's ``interpolate`` does, up to rounding, without importing PyTorch.

Each axis is resized by a sparse matrix of filter weights. The antialiased filters are those of Pillow and of PyTorch's
``antialias=True``: where an image shrinks, the filter is widened by the factor, and its weights are normalized.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Filter = Literal["antialiased", "plain", "bicubic"]
Floats = NDArray[np.float32]
Kernel = Callable[[Floats], Floats]
SINGLE = np.float32  # PyTorch computes the places of samples in single precision


def resize(images: Floats, plane: tuple[int, int], how: Filter = "antialiased") -> Floats:
    """Resize the last two axes of ``images`` (..., H, W) to ``plane``, (rows, columns).

    "antialiased" and "bicubic" widen their filters where the image shrinks; "plain" is bilinear between the four
    nearest pixels. Pixel centers lie at half-integers (``align_corners=False``).
    """
    before = images.shape[-2:]
    flat = images.reshape(-1, *before)
    resized = np.empty((len(flat), *plane), np.float32)
    rows, columns = (_matrix(*sides, how) for sides in zip(before, plane, strict=True))
    for place, image in enumerate(flat):
        # PyTorch, too, resizes the columns first; the matrix takes an image from the left only.
        resized[place] = rows @ (columns @ np.ascontiguousarray(image.T)).T
    return resized.reshape(*images.shape[:-2], *plane)


@lru_cache(maxsize=64)
def _matrix(before: int, after: int, how: Filter) -> Any:
    """Return the sparse matrix (after, before) that resizes one axis."""
    from scipy.sparse import csr_array

    weights = _plain(before, after) if how == "plain" else _widened(before, after, *FILTERS[how])
    rows, columns, values = (np.concatenate(parts) for parts in zip(*weights, strict=True))
    return csr_array((values, (rows, columns)), shape=(after, before))


Weights = list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]


def _plain(before: int, after: int) -> Weights:
    """Return rows, columns and weights of the two nearest pixels of each sample."""
    places = np.clip((np.arange(after) + SINGLE(0.5)) * (SINGLE(before) / SINGLE(after)) - SINGLE(0.5), 0, before - 1)
    first = np.minimum(places.astype(np.int64), max(before - 2, 0))
    share, rows = places - first.astype(np.float32), np.arange(after)
    return [(rows, first, 1 - share), (rows, np.minimum(first + 1, before - 1), share)]


def _widened(before: int, after: int, kernel: Kernel, reach: float) -> Weights:
    """Return rows, columns and weights of a filter ``kernel`` that is 0 beyond ``reach`` pixels."""
    scale = SINGLE(before) / SINGLE(after)
    stretch = max(scale, SINGLE(1))
    weights: Weights = []
    for row in range(after):
        center = scale * SINGLE(row + 0.5)
        start = max(int(center - reach * stretch + SINGLE(0.5)), 0)
        columns = np.arange(start, min(int(center + reach * stretch + SINGLE(0.5)), before))
        steps = np.arange(len(columns), dtype=np.float32) + (SINGLE(start) - center) + SINGLE(0.5)
        values = kernel(steps * (SINGLE(1) / stretch))
        weights.append((np.full(len(columns), row), columns, values / values.sum()))
    return weights


def _triangle(steps: Floats) -> Floats:
    """Return the weights of the bilinear filter at ``steps`` pixels from its center."""
    return np.asarray(np.maximum(1 - np.abs(steps), SINGLE(0)), np.float32)


def _cubic(steps: Floats) -> Floats:
    """Return the weights of the cubic filter with a = -0.5 (Keys, IEEE TASSP 1981), as Pillow takes it."""
    x, a = np.abs(steps), SINGLE(-0.5)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.asarray(np.where(x < 1, inner, np.where(x < 2, outer, SINGLE(0))), np.float32)


FILTERS: dict[str, tuple[Kernel, float]] = {"antialiased": (_triangle, 1.0), "bicubic": (_cubic, 2.0)}
