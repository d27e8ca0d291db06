"""Find the range of an image's intensities, clip to it, and scale it to [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Range = tuple[float, float]
Measure = Callable[[Tensor], Range]


def clipped(pixels: Tensor, nominal: Sequence[float] | None, measure: Measure) -> tuple[Tensor, Range]:
    """Return ``pixels`` clipped to their range, and the range (low, high).

    The range is ``nominal``, which the file states, or without one the result of ``measure``. Pixels are not clipped to
    a nominal range, which no reader exceeds.
    """
    if nominal:
        low, high = nominal
        return pixels, (low, high)
    low, high = measure(pixels)
    return pixels.clamp(low, high), (low, high)


def to_signed(pixels: Tensor, low: float, high: float) -> Tensor:
    """Return 2 (x - low) / (high - low) - 1, within [-1, 1]; a constant image (low = high) becomes -1."""
    return pixels.sub(low).mul_(2 / ((high - low) or 1.0)).sub_(1).clamp_(-1, 1)


def extremes(pixels: Tensor) -> Range:
    """Return the minimum and the maximum."""
    return float(pixels.min()), float(pixels.max())


def percentiles(pixels: Tensor) -> Range:
    """Return the 0.5th and the 99.5th percentile of at most two million evenly spaced pixels."""
    flat = pixels.flatten()
    flat = flat[:: max(1, len(flat) // 1_000_000)]
    low, high = torch.quantile(flat[:2_000_000].float(), torch.tensor([0.005, 0.995])).tolist()
    return low, high


def window(center: float, width: float) -> Measure:
    """Return a measure that gives the fixed range of a window, in the units of the file."""
    return lambda pixels: (center - width / 2, center + width / 2)
