"""Summarize the images of a training set in a profile, and describe one image by the same facts.

Facts are taken from the image in its file, as a reader returns it. A profile is plain
JSON, holds no value of a single patient, and is stored in ``Card.profile``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from medad.config import ConfigError, Strict, build
from medad.io.image import Image
from medad.types import MedadError

VERSION = 1
SAMPLE = 20_000  # pixels of an image that its gray levels are computed from
LEVELS = np.linspace(0, 1, 21)
LAYOUT = 12  # side of the coarse picture, 144 blocks in all
LEAST_FOR_LAYOUT = 10  # images; the mean of fewer could show a single person
WORDS = ("modality", "region", "view")
COLORED = 0.04  # mean distance of the color channels as a share of the brightest value; JPEG noise stays under 0.01


Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Shares = Annotated[dict[Annotated[str, Field(max_length=1000)], Share], Field(max_length=10_000)]


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(after < before for before, after in pairwise(values)):
        raise ValueError("the values must not fall")
    return values


Size = Annotated[float, Field(strict=True, gt=0)]
Match = Annotated[float, Field(strict=True, ge=-1, le=1)]
Five = AfterValidator(_rising)  # minimum, 1st percentile, median, 99th percentile and maximum


class Profile(Strict):
    """The fields of a profile, as :func:`profile_of` returns it."""

    version: Literal[1]
    images: int = Field(strict=True, ge=1)
    modality: Shares
    region: Shares
    view: Shares
    localizer: Share
    capture: Share
    colored: Share
    volume: Share
    short_side: Annotated[tuple[Size, Size, Size, Size, Size], Five]
    elongation: Annotated[tuple[Size, Size, Size, Size, Size], Five]
    levels: Annotated[tuple[Share, ...], Field(min_length=len(LEVELS), max_length=len(LEVELS))] | None
    levels_spread: Annotated[tuple[Share, Share, Share, Share, Share], Five] | None
    layout: Annotated[tuple[Match, ...], Field(min_length=LAYOUT**2, max_length=LAYOUT**2)] | None
    layout_match: Annotated[tuple[Match, Match, Match, Match, Match], Five] | None

    @model_validator(mode="after")
    def _in_pairs(self) -> Profile:
        if (self.levels is None) != (self.levels_spread is None) or (self.layout is None) != (
            self.layout_match is None
        ):
            raise ValueError("levels and levels_spread, and layout and layout_match, are there together or not at all")
        return self


class ProfileError(MedadError):
    """The profile cannot be used by a gate."""


def check_profile(profile: Mapping[str, Any]) -> None:
    """Check that ``profile`` is a valid profile of this version; the file may have been written by hand.

    Raises:
        ProfileError: it is not; the message names the field.
    """
    if profile.get("version") != VERSION:
        raise ProfileError("the model's profile is not one that this medad can check: train again, or use --force")
    try:
        build(Profile, profile, "the model's profile is not one that this medad can check")
    except ConfigError as error:
        raise ProfileError(f"{error}: train again, or use --force") from None


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


def profile_of(facts: Sequence[Facts]) -> dict[str, Any]:
    """Return the profile of the images that a model learns as normal.

    Modality, region and view come with the share of the images that state them, so that a gate can ignore rare ones.

    Raises:
        ProfileError: there are no images.
    """
    if not facts:
        raise ProfileError("a profile needs at least one image")
    count = len(facts)
    words = {name: _shares([getattr(image, name) for image in facts]) for name in WORDS}
    flags = {name: sum(getattr(image, name) for image in facts) / count for name in ("localizer", "capture", "colored")}
    curves = np.array([image.levels for image in facts if image.levels is not None])
    center = np.median(curves, axis=0) if len(curves) else None
    layouts = np.array([image.layout for image in facts if image.layout is not None])
    typical = _typical(layouts)
    return {
        "version": VERSION,
        "images": count,
        **words,
        **{name: round(share, 4) for name, share in flags.items()},
        "volume": round(sum(image.volume for image in facts) / count, 4),
        "short_side": _quantiles([min(image.sides) for image in facts]),
        "elongation": _quantiles([max(image.sides) / min(image.sides) for image in facts]),
        "levels": None if center is None else [round(float(level), 4) for level in center],
        "levels_spread": None if center is None else _quantiles([distance(curve, center) for curve in curves]),
        "layout": None if typical is None else [round(float(value), 4) for value in typical],
        "layout_match": None if typical is None else _quantiles((layouts @ typical).tolist()),
    }


def _typical(layouts: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the mean coarse picture, scaled to length 1; None for fewer than ``LEAST_FOR_LAYOUT`` images."""
    if len(layouts) < LEAST_FOR_LAYOUT:
        return None
    mean: NDArray[np.float64] = layouts.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length) if length > 0 else None


def _shares(values: Sequence[str | None]) -> dict[str, float]:
    """Return each word's share of all images, most frequent first; images without a word only count in the total."""
    counts = Counter(value for value in values if value is not None)
    return {word: round(count / len(values), 4) for word, count in sorted(counts.items(), key=lambda i: (-i[1], i[0]))}


def _quantiles(values: Sequence[float]) -> list[float]:
    """Return the minimum, 1st percentile, median, 99th percentile and maximum."""
    return [round(float(quantile), 4) for quantile in np.quantile(values, (0, 0.01, 0.5, 0.99, 1))]
