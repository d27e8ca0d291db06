"""What the images of a training set are like, in few numbers, and the same facts of one image beside them.

Facts are taken from an image as it is in its file (what :meth:`medad.data.loading.Prepare.read` gives). A profile is
plain JSON, holds no value of a single patient, and lies in ``Card.profile``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from medad.io.dicom_content import PROJECTION
from medad.types import MedadError

VERSION = 1
SAMPLE = 20_000  # pixels that the gray levels of an image are taken from
LEVELS = np.linspace(0, 1, 21)
LAYOUT = 12  # side of the coarse picture, 144 blocks in all
LEAST_FOR_LAYOUT = 10  # images: the mean of fewer would show one person
WORDS = ("modality", "region", "view")
COLORED = 0.04  # mean distance of the color channels, of the brightest value: JPEG noise stays under 0.01


class ProfileError(MedadError):
    """A profile that a gate cannot use."""


@dataclass(frozen=True)
class Facts:
    """One image. ``modality``, ``region`` and ``view`` are None where no header says.

    ``sides`` are the rows and columns of its plane. ``levels`` (21,) are its gray levels' quantiles on [0, 1], of the
    range from the 0.5th to the 99.5th percentile; None for an image of one value. ``layout`` (144,) is a coarse
    picture, 12 x 12, of mean 0 and length 1; None for a volume, or without contrast.
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


def facts_of(source: MetaTensor) -> Facts:
    """Facts of an image (C, W, H) or (C, X, Y, Z) as its reader gave it; CR, DX and RG are one modality, radiograph."""
    reading = source.meta.get("reading", {})
    modality = reading.get("modality")
    pixels = source.as_tensor().numpy()[0]
    return Facts(
        "radiograph" if modality in PROJECTION else modality,
        reading.get("region"),
        reading.get("view"),
        bool(reading.get("localizer")),
        bool(reading.get("capture")),
        float(reading.get("saturation", 0.0)) > COLORED,
        source.ndim == 4,
        (int(source.shape[2]), int(source.shape[1])),
        levels_of(pixels),
        layout_of(pixels) if pixels.ndim == 2 else None,
    )


def _some(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Evenly spaced pixels, about ``SAMPLE`` of them, in the same number of axes."""
    step = max(1, round((pixels.size / SAMPLE) ** (1 / pixels.ndim)))
    return pixels[tuple(slice(None, None, step if side > 2 * step else 1) for side in pixels.shape)].astype(np.float64)


def levels_of(pixels: NDArray[Any]) -> NDArray[np.float64] | None:
    """Quantiles (21,) of the gray levels, which a linear change of brightness or contrast does not change."""
    some = _some(pixels).ravel()
    low, high = (float(one) for one in np.quantile(some, (0.005, 0.995)))
    if not high > low:
        low, high = float(some.min()), float(some.max())
    if not high > low:
        return None
    levels: NDArray[np.float64] = np.quantile(((some - low) / (high - low)).clip(0, 1), LEVELS)
    return levels


def layout_of(pixels: NDArray[Any]) -> NDArray[np.float64] | None:
    """The coarse picture of an image (W, H); the scalar product of two is their correlation, -1 to 1."""
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


def distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean distance of two images' quantiles, 0 to 1 (the first Wasserstein distance of their histograms)."""
    return float(np.abs(one - other).mean())


def profile_of(facts: Sequence[Facts]) -> dict[str, Any]:
    """The profile of the images that a model learns as normal.

    Words come with the share of the images that bear them, so that a gate can tell a few strays from what is known.
    """
    if not facts:
        raise ProfileError("a profile needs at least one image")
    count = len(facts)
    words = {name: _shares([getattr(one, name) for one in facts]) for name in WORDS}
    flags = {name: sum(getattr(one, name) for one in facts) / count for name in ("localizer", "capture", "colored")}
    curves = np.array([one.levels for one in facts if one.levels is not None])
    center = np.median(curves, axis=0) if len(curves) else None
    layouts = np.array([one.layout for one in facts if one.layout is not None])
    typical = _typical(layouts)
    return {
        "version": VERSION,
        "images": count,
        **words,
        **{name: round(share, 4) for name, share in flags.items()},
        "volume": round(sum(one.volume for one in facts) / count, 4),
        "short_side": _quantiles([min(one.sides) for one in facts]),
        "elongation": _quantiles([max(one.sides) / min(one.sides) for one in facts]),
        "levels": None if center is None else [round(float(one), 4) for one in center],
        "levels_spread": None if center is None else _quantiles([distance(one, center) for one in curves]),
        "layout": None if typical is None else [round(float(one), 4) for one in typical],
        "layout_match": None if typical is None else _quantiles((layouts @ typical).tolist()),
    }


def _typical(layouts: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The mean coarse picture, again of length 1."""
    if len(layouts) < LEAST_FOR_LAYOUT:
        return None
    mean: NDArray[np.float64] = layouts.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length) if length > 0 else None


def _shares(values: Sequence[str | None]) -> dict[str, float]:
    """Each word's share of all images, the most frequent first; images without a word count in no share."""
    found = Counter(value for value in values if value is not None)
    return {word: round(count / len(values), 4) for word, count in sorted(found.items(), key=lambda i: (-i[1], i[0]))}


def _quantiles(values: Sequence[float]) -> list[float]:
    """Minimum, 1st percentile, median, 99th percentile, maximum."""
    return [round(float(one), 4) for one in np.quantile(values, (0, 0.01, 0.5, 0.99, 1))]
