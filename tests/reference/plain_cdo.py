"""CDO once more, from the formulas of its two releases alone: explicit indices and sums in NumPy, double precision.

Nothing here is imported from medad or PyTorch. Gradients come from complex steps: f'(x) is the imaginary part of
f(x + ih) / h for a tiny h, without any difference of nearly equal numbers; so lengths are roots of plain squares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray
STEP = 1e-30


def corners_on_corners(image: Array, height: int, width: int) -> Array:
    """(C, h, w) -> (C, height, width), bilinear; the first and last pixels lie on each other."""
    made = np.zeros((len(image), height, width), dtype=image.dtype)
    for row in range(height):
        for column in range(width):
            y = row * (image.shape[1] - 1) / (height - 1)
            x = column * (image.shape[2] - 1) / (width - 1)
            made[:, row, column] = between(image, y, x)
    return made


def centers_on_centers(image: Array, height: int, width: int) -> Array:
    """(C, h, w) -> (C, height, width), bilinear; pixels are squares laid upon each other ("no align corners")."""
    made = np.zeros((len(image), height, width), dtype=image.dtype)
    for row in range(height):
        for column in range(width):
            y = (row + 0.5) * image.shape[1] / height - 0.5
            x = (column + 0.5) * image.shape[2] / width - 0.5
            made[:, row, column] = between(image, max(y, 0.0), max(x, 0.0))
    return made


def between(image: Array, y: float, x: float) -> Array:
    """The value of each channel at (y, x), from the four pixels around it."""
    top, left = int(np.floor(y)), int(np.floor(x))
    bottom, right = min(top + 1, image.shape[1] - 1), min(left + 1, image.shape[2] - 1)
    upper = image[:, top, left] + (x - left) * (image[:, top, right] - image[:, top, left])
    lower = image[:, bottom, left] + (x - left) * (image[:, bottom, right] - image[:, bottom, left])
    return upper + (y - top) * (lower - upper)


def unit(features: Array) -> Array:
    """(C, h, w) with the length 1 at each position."""
    made = np.zeros_like(features)
    for row in range(features.shape[1]):
        for column in range(features.shape[2]):
            vector = features[:, row, column]
            made[:, row, column] = vector / np.sqrt(np.sum(vector * vector))
    return made


def nearest(mask: Array, height: int, width: int) -> Array:
    """(H, W) -> (height, width): the pixel floor(i * H / height); what is not 0 is synthetic."""
    rows = [int(np.floor(row * mask.shape[0] / height)) for row in range(height)]
    columns = [int(np.floor(column * mask.shape[1] / width)) for column in range(width)]
    return np.array([[bool(mask[row, column] != 0) for column in columns] for row in rows])


def discrepancies(expert: Array, apprentice: Array, height: int, width: int) -> Array:
    """Both (B, C, h, w) upsampled, then normalized, then compared -> (B, height, width)."""
    made = []
    for known, learned in zip(expert, apprentice, strict=True):
        difference = unit(corners_on_corners(known, height, width)) - unit(corners_on_corners(learned, height, width))
        made.append(np.sum(difference * difference, axis=0))
    return np.array(made)


def scale_loss(d: Array, synthetic: Array, gamma: float) -> complex | float:
    """Of one scale, with weights that count as constants: the real parts of ``d`` (B, H, W) decide them."""
    normal, strange = d[~synthetic], d[synthetic]
    total, weight = 0.0, 0.0
    for group, sign in ((normal, 1), (strange, -1)):
        if len(group):
            real = group.real
            ratios = real / real.mean() if sign > 0 else real.mean() / real
            total = total + sign * np.sum(ratios**gamma * group)
            weight += np.sum(ratios**gamma)
    return total / weight * len(d)


def loss(expert: Sequence[Array], apprentice: Sequence[Array], masks: Array, gamma: float) -> float:
    """Features (B, C, h, w) of each scale and masks (B, H, W) of the image -> the loss of the batch."""
    height, width = expert[0].shape[-2:]
    synthetic = np.array([nearest(mask, height, width) for mask in masks])
    return float(
        sum(
            scale_loss(discrepancies(known, learned, height, width), synthetic, gamma)
            for known, learned in zip(expert, apprentice, strict=True)
        )
    )


def gradients(expert: Sequence[Array], apprentice: Sequence[Array], masks: Array, gamma: float) -> list[Array]:
    """Of :func:`loss`, with respect to the apprentice's features of each scale."""
    height, width = expert[0].shape[-2:]
    synthetic = np.array([nearest(mask, height, width) for mask in masks])
    made = []
    for known, learned in zip(expert, apprentice, strict=True):
        gradient = np.zeros(learned.shape)
        whole = discrepancies(known, learned, height, width).astype(complex)
        for place in np.ndindex(learned.shape):
            image = place[0]
            moved = learned[image : image + 1].astype(complex)
            moved[(0, *place[1:])] += 1j * STEP
            d = whole.copy()
            d[image] = discrepancies(known[image : image + 1], moved, height, width)[0]
            gradient[place] = scale_loss(d, synthetic, gamma).imag / STEP
        made.append(gradient)
    return made


def gaussian(image: Array, sigma: float) -> Array:
    """(H, W) smoothed: weights to four sigma, of sum 1; beyond the border its mirror image, border pixel first."""
    reach = int(4 * sigma + 0.5)
    weights = np.array([np.exp(-(step**2) / (2 * sigma**2)) for step in range(-reach, reach + 1)])
    weights = weights / weights.sum()
    for axis in (0, 1):
        side = image.shape[axis]
        made = np.zeros_like(image)
        for place in range(side):
            for step, weight in zip(range(-reach, reach + 1), weights, strict=True):
                source = (place + step) % (2 * side)
                source = source if source < side else 2 * side - 1 - source
                if axis == 0:
                    made[place] += weight * image[source]
                else:
                    made[:, place] += weight * image[:, source]
        image = made
    return image


def map_2023(expert: Sequence[Array], apprentice: Sequence[Array], side: int, sigma: float) -> Array:
    """Features (C, h, w) of one image at each scale -> (side, side)."""
    height, width = expert[0].shape[-2:]
    total = np.zeros((height, width))
    for known, learned in zip(expert, apprentice, strict=True):
        total = total + discrepancies(known[None], learned[None], height, width)[0]
    return gaussian(centers_on_centers(total[None], side, side)[0], sigma)


def map_2025(expert: Sequence[Array], apprentice: Sequence[Array], side: int, sigma: float) -> Array:
    """Features (C, h, w) of one image at each scale -> (side, side)."""
    total = np.zeros((side, side))
    for known, learned in zip(expert, apprentice, strict=True):
        cosine = np.sum(unit(known) * unit(learned), axis=0)
        total = total + corners_on_corners((1 - cosine)[None], side, side)[0] / len(expert)
    return gaussian(total, sigma)


def top_score(image: Array, share: float) -> float:
    """The mean of the highest pixels."""
    ranked = sorted(image.ravel().tolist(), reverse=True)
    return float(np.mean(ranked[: max(1, int(share * len(ranked)))]))


def shrinking(fine: int, coarse: int) -> Array:
    """Weights (coarse, fine) of an antialiased bilinear resize: a triangle as wide as two coarse pixels, cut off at the
    border, of sum 1."""
    ratio = fine / coarse
    made = np.zeros((coarse, fine))
    for place in range(coarse):
        for source in range(fine):
            made[place, source] = max(0.0, 1 - abs((source + 0.5) / ratio - (place + 0.5)))
        made[place] /= made[place].sum()
    return made


def with_noise(image: Array, rectangles: Sequence[tuple[slice, slice, Array]], grain: int) -> tuple[Array, Array]:
    """Noise (C, rows, columns) at places of a grid ``grain`` times finer, in order, on an image (C, H, W); the mask."""
    channels, side = image.shape[:2]
    noise, covered = np.zeros((channels, grain * side, grain * side)), np.zeros((grain * side, grain * side))
    for rows, columns, values in rectangles:
        noise[:, rows, columns], covered[rows, columns] = values, 1
    weights = shrinking(grain * side, side) if grain > 1 else np.eye(side)
    noise, covered = np.array([weights @ one @ weights.T for one in noise]), weights @ covered @ weights.T
    return image * (1 - covered) + noise, covered != 0
