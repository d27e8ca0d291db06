"""Describe an image by statistics of its pixels that tell how it was acquired rather than what it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.functional.intervals import Floats

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
STATISTICS = (
    *("mean", "std", *(f"p{100 * level:02.0f}" for level in QUANTILES), "entropy", "at_minimum", "at_maximum"),
    *("border_mean", "border_std", "gradient_x", "gradient_y", "laplacian", "sharpness", "noise", "levels"),
)
SIDE = 224  # an image is reduced by a whole factor while its short side stays at least this
BORDER = 8 / 224  # width of the border, of a side
SATURATED = 1 / 255  # of the intensity range, around the minimum and the maximum
BINS = 64  # of the histogram whose entropy is computed
SAMPLE = 20_000  # pixels whose distinct values are counted


def image_statistics(pixels: NDArray[Any]) -> Floats:
    """Return the ``STATISTICS`` (20,) of an image (H, W) with intensities in [0, 1].

    They are: mean, standard deviation and percentiles of the intensity; the entropy of its histogram (bits); the shares
    of pixels at 0 and at 1; mean and standard deviation of the border; the mean absolute gradients along the rows and
    the columns; the standard deviation of the Laplacian, and its ratio to the gradient (``sharpness``); an estimate of
    the noise (Immerkaer, Computer Vision and Image Understanding 64:300-302, 1996); log2 of the number of distinct
    values. A large image is first reduced to the scale at which methods see it, except for its distinct values.

    >>> ramp = np.tile(np.linspace(0, 1, 64), (64, 1))
    >>> dict(zip(STATISTICS, image_statistics(ramp).round(3).tolist()))["mean"]
    0.5
    """
    image = _reduced(pixels)
    gradient_x, gradient_y = (_mean(np.abs(np.diff(image, axis=axis))) for axis in (1, 0))
    laplacian, noise = _second_derivatives(image)
    gradient = (gradient_x + gradient_y) / 2
    border = _border(image)
    shares = np.bincount((image.ravel().clip(0, 1) * (BINS - 0.001)).astype(int), minlength=BINS) / image.size
    shares = shares[shares > 0]
    values: Floats = np.array(
        [
            *(image.mean(), image.std(), *np.quantile(image, QUANTILES), float(-(shares * np.log2(shares)).sum())),
            *((image <= SATURATED).mean(), (image >= 1 - SATURATED).mean(), border.mean(), border.std()),
            *(gradient_x, gradient_y, laplacian, laplacian / gradient if gradient > 0 else 0.0, noise),
            np.log2(len(np.unique(pixels.ravel()[:: max(1, pixels.size // SAMPLE)]))),
        ]
    )
    return values


def _reduced(pixels: NDArray[Any]) -> Floats:
    """Return the means of square blocks of an image (H, W), whose side is the largest that keeps ``SIDE`` blocks."""
    factor = max(1, min(pixels.shape) // SIDE)
    rows, columns = (side // factor for side in pixels.shape)
    blocks = pixels[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64))


def _second_derivatives(image: Floats) -> tuple[float, float]:
    """Return the standard deviation of the Laplacian of an image (H, W), and the estimate of its noise."""
    if min(image.shape) < 3:
        return 0.0, 0.0
    middle = image[1:-1, 1:-1]
    cross = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    corners = image[:-2, :-2] + image[:-2, 2:] + image[2:, :-2] + image[2:, 2:]
    noise = (np.pi / 2) ** 0.5 / 6 * _mean(np.abs(4 * middle - 2 * cross + corners))
    return float((4 * middle - cross).std()), noise


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else 0.0


def _border(image: Floats) -> Floats:
    """Return the pixels (n,) of the frame of an image (H, W), whose width is ``BORDER`` of each side."""
    tall, wide = (max(1, round(BORDER * side)) for side in image.shape)
    strips = (image[:tall], image[-tall:], image[:, :wide], image[:, -wide:])
    return np.concatenate([strip.ravel() for strip in strips])
