"""Map intensities to [-1, 1]: find the range of an image and scale it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor


class Bounded(Transform):
    """Find the range of an image: the nominal range of the file if it states one, else ``measure`` of the pixels."""

    def __init__(self, measure: Callable[[Tensor], tuple[float, float]]) -> None:
        self.measure = measure

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Return the image clipped to its range, which is stored in ``meta["bounds"]``.

        Pixels are not clipped to a nominal range, which no reader exceeds.
        """
        nominal = image.meta.get("reading", {}).get("value_range")
        low, high = nominal or self.measure(image.as_tensor())
        pixels = image.as_tensor() if nominal else image.as_tensor().clamp(low, high)
        bounded = MetaTensor(pixels).copy_meta_from(image)
        bounded.meta["bounds"] = (low, high)
        return bounded


class ToSigned(Transform):
    """Scale the range in ``meta["bounds"]`` to [-1, 1].

    This comes after the resize, with which it commutes, because there are fewer pixels then.
    """

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Return 2 (x - low) / (high - low) - 1; a constant image becomes -1."""
        low, high = image.meta["bounds"]
        signed = image.as_tensor().sub(low).mul_(2 / ((high - low) or 1.0)).sub_(1).clamp_(-1, 1)
        return MetaTensor(signed).copy_meta_from(image)


def extremes(pixels: Tensor) -> tuple[float, float]:
    """Return the minimum and the maximum."""
    return float(pixels.min()), float(pixels.max())


def percentiles(pixels: Tensor) -> tuple[float, float]:
    """Return the 0.5th and the 99.5th percentile of at most two million evenly spaced pixels."""
    flat = pixels.flatten()
    flat = flat[:: max(1, len(flat) // 1_000_000)]
    low, high = torch.quantile(flat[:2_000_000].float(), torch.tensor([0.005, 0.995])).tolist()
    return low, high


def window(center: float, width: float) -> Callable[[Tensor], tuple[float, float]]:
    """Return a measure that gives the fixed range of a window, in the units of the file."""
    return lambda pixels: (center - width / 2, center + width / 2)
