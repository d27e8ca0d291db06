"""Put patches of another image on an image: foreign patches, and the labels of the pixels that they change.

The rules are those of NSA (Schlüter, Tan, Hou and Kainz, ECCV 2022) in MedIAnomaly (Cai et al., Medical Image Analysis
102:103500, 2025), which uses them for FPI and PII too. Intensities are gray levels from 0 to 255.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from medad.functional.poisson import poisson_blend

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Place = tuple[slice, slice]  # rows and columns
Blend = Callable[[Floats, Floats, Bools], Floats]  # target (C, h, w), source (C, h, w), object (h, w) -> (C, h, w)
LEVELS = 255.0
BOUNDS = (0.03, 0.4)  # of the half-side of a patch, as shares of the image's side
LEAST, SHAPE, SCALE = 0.05, 2.0, 0.03  # half-side: LEAST + Gamma(SHAPE, SCALE), as a share of the image's side
OBJECT_SHARE = 0.7  # of a patch that must be exceeded by its object, and of that object by the object below it
ATTEMPTS = 200
FACTORS, DEVIATION = (0.7, 1.3), 0.5  # a moved patch is resized by N(1, DEVIATION), clipped to FACTORS
LEAST_CHANGE = 1.0  # gray levels
RADIUS = 5  # of the disk over which a change is averaged


class Picture(NamedTuple):
    """An image in gray levels (C, H, W), and the pixels (H, W) of the object that it shows."""

    levels: Floats
    object: Bools


def pictures(images: Tensor, background: float | None) -> list[Picture]:
    """Return ``images`` (B, C, H, W) in [-1, 1] in gray levels, with their objects.

    The object is where the mean of the channels exceeds ``background``, after a median over 7 x 7 pixels; with None it
    is the whole image.
    """
    levels = ((images.detach().double().cpu().numpy() + 1) * (LEVELS / 2)).clip(0, LEVELS)
    if background is None:
        return [Picture(image, np.ones(image.shape[1:], dtype=bool)) for image in levels]
    return [Picture(image, majority(image.mean(axis=0) > background, 7)) for image in levels]


def majority(mask: Bools, side: int) -> Bools:
    """Return the median of ``mask`` (H, W) over ``side`` x ``side`` pixels; the border is repeated."""
    from scipy.ndimage import uniform_filter

    shares: Floats = uniform_filter(mask.astype(np.float64), side, mode="nearest")
    return shares > 0.5


def put_patches(
    image: Picture, donor: Picture, blend: Blend, rng: np.random.Generator, *, moved: bool = False, most: int = 3
) -> tuple[Floats, Bools]:
    """Blend one to ``most`` patches of ``donor`` into ``image``.

    After the first patch, each further one is drawn with probability 1/2. A patch goes to the place that it comes from,
    or with ``moved`` it is resized and goes elsewhere. A patch for which no place is found in 200 attempts is left out.

    Returns:
        The new gray levels (C, H, W), and the pixels (H, W) of all patches where either image shows its object.
    """
    levels, covered = image.levels.copy(), np.zeros_like(image.object)
    for number in range(most):
        if number and rng.random() < 0.5:
            continue
        source = draw_place(donor.object, rng)
        if source is None:
            continue
        patch = Picture(donor.levels[:, *source], donor.object[source])
        place: Place | None = source
        if moved:
            patch = resized(patch, image.object.shape, rng)
            place = draw_target(patch.object, image.object, rng)
        if place is not None:
            mask = patch.object | image.object[place]
            levels[:, *place] = blend(levels[:, *place], patch.levels, mask).clip(0, LEVELS)
            covered[place] |= mask
    return levels, covered


def bounds(side: int) -> tuple[int, int]:
    """Return the least and the largest half-side of a patch of an image with this ``side``, in pixels."""
    return max(1, round(BOUNDS[0] * side)), max(2, round(BOUNDS[1] * side))


def draw_place(inside: Bools, rng: np.random.Generator) -> Place | None:
    """Draw the place of a patch of which more than 70 % are ``inside`` (H, W), an object; None if none is found."""
    halves = [int(np.clip((LEAST + rng.gamma(SHAPE, SCALE)) * side, *bounds(side))) for side in inside.shape]
    for _ in range(ATTEMPTS):
        rows, columns = (
            _around(int(rng.integers(bounds(side)[0], side - bounds(side)[0])), half, side)
            for side, half in zip(inside.shape, halves, strict=True)
        )
        if inside[rows, columns].mean() > OBJECT_SHARE:
            return rows, columns
    return None


def _around(center: int, half: int, side: int) -> slice:
    return slice(max(center - half, 0), min(center + half, side))


def draw_target(patch: Bools, inside: Bools, rng: np.random.Generator) -> Place | None:
    """Draw the place to which a patch with the object ``patch`` (h, w) goes in an image with the object ``inside``.

    Of the patch more than 70 % must be object, and more than 70 % of its object must lie on the image's object. Returns
    None if no such place is found.
    """
    if patch.mean() <= OBJECT_SHARE:
        return None
    for _ in range(ATTEMPTS):
        starts = [
            int(rng.integers(own // 2 + 1, side - own // 2 - 1)) - own // 2
            for own, side in zip(patch.shape, inside.shape, strict=True)
        ]
        rows, columns = (slice(start, start + own) for start, own in zip(starts, patch.shape, strict=True))
        if (inside[rows, columns] & patch).sum() > OBJECT_SHARE * patch.sum():
            return rows, columns
    return None


def resized(patch: Picture, sides: tuple[int, ...], rng: np.random.Generator) -> Picture:
    """Resize ``patch`` by a random factor; its sides stay within 3 and 40 % of the ``sides`` of the image."""
    height, width = patch.object.shape
    factor = np.clip(rng.normal(1, DEVIATION), *FACTORS)
    tall = np.clip(factor * height, *bounds(sides[0]))
    wide = int(np.clip(int(tall / height * width), *bounds(sides[1])))
    tall = int(np.clip(int(wide / width * height), *bounds(sides[0])))  # as the width may have been clipped
    layers = torch.from_numpy(np.concatenate([patch.levels, patch.object[None].astype(np.float64)]))
    enlarged: Floats = interpolate(layers[None], (tall, wide), mode="bilinear", align_corners=False)[0].numpy()
    return Picture(enlarged[:-1], enlarged[-1] >= 0.5)


def interpolated(target: Floats, source: Floats, mask: Bools, factor: float) -> Floats:
    """Return ``target`` moved by ``factor`` in [0, 1] toward ``source`` where ``mask`` is set."""
    moved: Floats = target + factor * mask * (source - target)
    return moved


def gradients_blended(target: Floats, source: Floats, mask: Bools, factor: float = 1.0) -> Floats:
    """Return ``target`` with mixed gradients, by ``factor``, inside the border of the patch; ``mask`` has no effect."""
    domain = np.zeros_like(mask)
    domain[1:-1, 1:-1] = True
    return poisson_blend(target, source, domain, factor)


def changed(before: Floats, after: Floats, covered: Bools) -> Bools:
    """Return the pixels (H, W) of ``covered`` that changed by over one gray level, after a median over 5 x 5 pixels."""
    return majority((np.abs(after - before).mean(axis=0) > LEAST_CHANGE) & covered, 5)


def logistic_labels(before: Floats, after: Floats, where: Bools, steepness: float, midpoint: float) -> Floats:
    """Return 1 / (1 + exp(-``steepness`` (change - ``midpoint``))) in the pixels ``where`` (H, W), and 0 elsewhere.

    The change in gray levels, 0 outside of ``where``, is the median over a disk of radius 5.
    """
    from scipy.ndimage import median_filter

    labels = np.zeros(where.shape)
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if len(rows):
        near = tuple(
            slice(max(hits[0] - RADIUS, 0), hits[-1] + 1 + RADIUS) for hits in (rows, columns)
        )  # the change is 0 elsewhere, and so is the label
        inside = where[near]
        change = np.abs(after - before)[:, *near].mean(axis=0) * inside
        steps = np.arange(-RADIUS, RADIUS + 1)
        disk = steps[:, None] ** 2 + steps**2 <= RADIUS**2
        medians = median_filter(change, footprint=disk, mode="nearest")
        labels[near] = inside / (1 + np.exp(-steepness * (medians - midpoint)))
    return labels
