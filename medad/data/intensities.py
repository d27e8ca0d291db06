"""How intensities reach [-1, 1]: the range of an image, and the way from it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor


class Bounded(Transform):
    """Finds the range of an image: the file's nominal one where it has one, else by ``measure`` of the image itself."""

    def __init__(self, measure: Callable[[Tensor], tuple[float, float]]) -> None:
        self.measure = measure

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Clipped to the range, which is in ``meta["bounds"]``; no reader goes beyond a nominal one."""
        nominal = image.meta.get("reading", {}).get("value_range")
        low, high = nominal or self.measure(image.as_tensor())
        pixels = image.as_tensor() if nominal else image.as_tensor().clamp(low, high)
        bounded = MetaTensor(pixels).copy_meta_from(image)
        bounded.meta["bounds"] = (low, high)
        return bounded


class ToSigned(Transform):
    """The range in ``meta["bounds"]`` to [-1, 1]. It comes after the resize, with which it commutes, since there is
    less to do then."""

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """2 (x - low) / (high - low) - 1; a constant image becomes -1."""
        low, high = image.meta["bounds"]
        signed = image.as_tensor().sub(low).mul_(2 / ((high - low) or 1.0)).sub_(1).clamp_(-1, 1)
        return MetaTensor(signed).copy_meta_from(image)


def extremes(pixels: Tensor) -> tuple[float, float]:
    """Minimum and maximum."""
    return float(pixels.min()), float(pixels.max())


def percentiles(pixels: Tensor) -> tuple[float, float]:
    """0.5th and 99.5th percentile, of at most a million evenly spaced pixels."""
    flat = pixels.flatten()
    flat = flat[:: max(1, len(flat) // 1_000_000)]
    low, high = torch.quantile(flat[:2_000_000].float(), torch.tensor([0.005, 0.995])).tolist()
    return low, high


def window(center: float, width: float) -> Callable[[Tensor], tuple[float, float]]:
    """The fixed range of a window, in the file's units."""
    return lambda pixels: (center - width / 2, center + width / 2)
