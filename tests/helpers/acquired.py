"""Made scans, and ways in which another scanner or export would change them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medad.data.acquisition.facts import AcquisitionFacts, acquisition_facts
from medad.io.core.picture import begin

Image = NDArray[np.float64]
SIDE = 48


def scan(rng: np.random.Generator) -> Image:
    """An ellipse with texture on a dark ground, gray levels 0 to 255."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    body = (rows / rng.uniform(0.6, 0.8)) ** 2 + (columns / rng.uniform(0.5, 0.7)) ** 2 < 1
    texture = ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 1.5)
    image = body * (80 + rng.normal(0, 8) + 40 * texture) + 40 + rng.normal(0, 3, (SIDE, SIDE))
    return np.round(image).clip(0, 255)


def framed(image: Image) -> Image:
    """With a bright frame that was burned in."""
    changed = image.copy()
    for edge in (np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]):
        changed[edge] = 230
    return changed


def sharpened(image: Image) -> Image:
    """With unsharp masking."""
    return np.asarray(np.round(2 * image - ndimage.gaussian_filter(image, 1.0)).clip(0, 255))


def coarser(image: Image) -> Image:
    """Saved with 5 bits and stretched to 8 again."""
    return np.asarray(np.round(np.round(image * 31 / 255) * 255 / 31))


def facts_of_scan(image: Image, bits: int = 8) -> AcquisitionFacts:
    reading = begin("raster", bits=[bits, bits], value_range=[0.0, 255.0], container="PNG", photometric="L")
    return acquisition_facts(image[None].astype(np.float32), reading)
