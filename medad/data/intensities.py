"""Map intensities to [-1, 1], as MONAI transforms: find the range of an image and scale it."""

from __future__ import annotations

from monai.data import MetaTensor
from monai.transforms import Transform

from medad.functional.intensities import Measure, clipped, to_signed


class Bounded(Transform):
    """Find the range of an image: the nominal range of the file if it states one, else ``measure`` of the pixels."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Return the image clipped to its range, which is stored in ``meta["bounds"]``."""
        nominal = image.meta.get("reading", {}).get("value_range")
        pixels, bounds = clipped(image.as_tensor(), nominal, self.measure)
        bounded = MetaTensor(pixels).copy_meta_from(image)
        bounded.meta["bounds"] = bounds
        return bounded


class ToSigned(Transform):
    """Scale the range in ``meta["bounds"]`` to [-1, 1].

    This comes after the resize, with which it commutes, because there are fewer pixels then.
    """

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Return 2 (x - low) / (high - low) - 1; a constant image becomes -1."""
        return MetaTensor(to_signed(image.as_tensor(), *image.meta["bounds"])).copy_meta_from(image)
