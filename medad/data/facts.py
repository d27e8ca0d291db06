"""Describe one image by facts that a profile of a training set summarizes and a gate compares.

Facts are taken from the image in its file, as a reader returns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from medad.io.image import Image

SAMPLE = 20_000  # pixels of an image that its gray levels are computed from
LEVELS = np.linspace(0, 1, 21)
LAYOUT = 12  # side of the coarse picture, 144 blocks in all
COLORED = 0.04  # mean distance of the color channels as a share of the brightest value; JPEG noise stays under 0.01


@dataclass(frozen=True)
class Facts:
    """The facts of one image. ``modality``, ``region`` and ``view`` are None if no header states them.

    ``sides`` are the rows and columns of the plane. ``levels`` (21,) are the quantiles of the gray levels, where 0 is
    the 0.5th and 1 the 99.5th percentile; None for a constant image. ``layout`` (144,) is a coarse picture of 12 x 12
    blocks with mean 0 and length 1; None for a volume and for an image without contrast.
    """

    modality: str | None
    region: str | None
    view: str | None
    localizer: bool
    capture: bool
    colored: bool
    volume: bool
    sides: tuple[int, int]
    levels: NDArray[np.float64] | None
    layout: NDArray[np.float64] | None


def facts_of(source: Image) -> Facts:
    """Return the facts of an image in the axes of its reader."""
    return facts_of_pixels(source.pixels.numpy(), source.reading)


def facts_of_pixels(image: NDArray[Any], reading: Mapping[str, Any]) -> Facts:
    """Return the facts of an image (C, W, H) or (C, X, Y, Z), from its pixels and the decisions of its reader.

    CR, DX and RG count as one modality, "radiograph".
    """
    from medad.io.dicom.content import PROJECTION

    modality = reading.get("modality")
    pixels = image[0]
    return Facts(
        "radiograph" if modality in PROJECTION else modality,
        reading.get("region"),
        reading.get("view"),
        bool(reading.get("localizer")),
        bool(reading.get("capture")),
        float(reading.get("saturation", 0.0)) > COLORED,
        image.ndim == 4,
        (image.shape[2], image.shape[1]),
        levels_of(pixels),
        layout_of(pixels) if pixels.ndim == 2 else None,
    )


def _some(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Return about ``SAMPLE`` evenly spaced pixels, in the same number of axes."""
    step = max(1, round((pixels.size / SAMPLE) ** (1 / pixels.ndim)))
    return pixels[tuple(slice(None, None, step if side > 2 * step else 1) for side in pixels.shape)].astype(np.float64)


def levels_of(pixels: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return quantiles (21,) of the gray levels, which do not depend on brightness and contrast."""
    some = _some(pixels).ravel()
    low, high = (float(level) for level in np.quantile(some, (0.005, 0.995)))
    if not high > low:
        low, high = float(some.min()), float(some.max())
    if not high > low:
        return None
    levels: NDArray[np.float64] = np.quantile(((some - low) / (high - low)).clip(0, 1), LEVELS)
    return levels


def layout_of(pixels: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the coarse picture (144,) of an image (W, H); the dot product of two is their correlation, -1 to 1."""
    if min(pixels.shape) < LAYOUT:
        return None
    coarse = _some(pixels)
    for axis in (0, 1):
        edges = np.arange(LAYOUT) * coarse.shape[axis] // LAYOUT
        widths = np.diff([*edges, coarse.shape[axis]])
        coarse = np.add.reduceat(coarse, edges, axis) / np.expand_dims(widths, 1 - axis)
    flat = (coarse - coarse.mean()).ravel()
    length = float(np.linalg.norm(flat))
    return np.asarray(flat / length) if length > 0 else None


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the mean distance of two images' quantiles, 0 to 1: the 1-Wasserstein distance of their histograms."""
    return float(np.abs(first - second).mean())
