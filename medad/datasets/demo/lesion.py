"""Draw a random lesion: a smooth, irregular blob of brighter or darker tissue with a soft edge.

Bright on T1 stands for subacute blood, fat, protein or enhancement; dark for edema, infarct, demyelination or low-grade
tumor. The lesion changes tissue only (not CSF) and does not displace its surroundings. The ranges were chosen visually,
and so that neither maximum intensity nor PCA reconstruction detects the lesions (AUC under 0.7). Very bright lesions,
such as fat or fresh methemoglobin, are therefore excluded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medad.types import MedadError

Array = NDArray[np.float32]

BRIGHT = (0.10, 0.22)  # peak of what is added, as a fraction of white-matter intensity
DARK = (0.16, 0.44)  # peak of what is taken away, likewise
DIAMETER_MM = (18.0, 50.0)  # of the half-contrast contour, before CSF is left out; 18 mm is 5 pixels of 64
EDGE = (0.08, 0.20)  # steepness of the border, as a fraction of the radius
LOBES = ((2, 0.18), (3, 0.12), (4, 0.07))  # angular order of the outline and its largest relative amplitude
TISSUE = 0.85  # share of gray and white matter around the center, at least


@dataclass(frozen=True)
class Lesion:
    """``contrast`` as a fraction of white matter, ``sign`` +1 (bright) or -1 (dark), ``center_mm`` in RAS."""

    contrast: float
    sign: int
    diameter_mm: float
    center_mm: tuple[float, float, float]


def draw_lesion(positions: Array, tissue: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_], Lesion]:
    """Return the lesion to add to the image (H, W), its mask (H, W) at half of the peak, and its parameters.

    ``positions`` is (3, H, W) in RAS mm, ``tissue`` (H, W) is the probability of gray or white matter in 0..1.
    """
    sign, ranges = (1, BRIGHT) if rng.random() < 0.5 else (-1, DARK)
    contrast, diameter = float(rng.uniform(*ranges)), float(rng.uniform(*DIAMETER_MM))
    center = _center(positions, tissue, diameter, rng)
    profile = _blob(positions, center, diameter / 2, rng) * _texture(positions, center, diameter, rng) * tissue
    profile /= profile.max()
    facts = Lesion(contrast, sign, diameter, (float(center[0]), float(center[1]), float(center[2])))
    return (sign * contrast * profile).astype(np.float32), profile > 0.5, facts


def _center(positions: Array, tissue: Array, diameter: float, rng: np.random.Generator) -> Array:
    """Return a random position (3,), RAS mm, whose surrounding disk of half the diameter is mostly brain tissue."""
    from scipy.ndimage import gaussian_filter

    spacing = float(abs(positions[0, 0, 1] - positions[0, 0, 0]))
    around = gaussian_filter(tissue, diameter / 4 / spacing)
    places = np.argwhere((around > TISSUE) & (tissue > TISSUE))
    if not len(places):
        raise MedadError(f"no place for a lesion of {diameter:.0f} mm: the slice has too little brain tissue")
    row, column = places[rng.integers(len(places))]
    return positions[:, row, column]


def _blob(positions: Array, center: Array, radius: float, rng: np.random.Generator) -> Array:
    """Return a soft disk with a wavy outline of mean radius ``radius`` mm, (H, W) in 0..1, 0.5 on the outline."""
    x, y = positions[0] - center[0], positions[1] - center[1]
    angle, outline = np.arctan2(y, x), np.ones_like(x)
    for order, largest in LOBES:
        outline += rng.uniform(0, largest) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    distance = np.hypot(x, y) / (radius * outline)
    steepness = rng.uniform(*EDGE)
    return np.asarray(1 / (1 + np.exp(np.clip((distance - 1) / steepness, -30, 30))), dtype=np.float32)


def _texture(positions: Array, center: Array, diameter: float, rng: np.random.Generator) -> Array:
    """Return an uneven texture: a plane wave of about the lesion's size, (H, W) in 0.8..1."""
    heading, phase = rng.uniform(0, 2 * np.pi, size=2)
    along = (positions[0] - center[0]) * np.cos(heading) + (positions[1] - center[1]) * np.sin(heading)
    return np.asarray(0.9 + 0.1 * np.cos(2 * np.pi * along / diameter + phase), dtype=np.float32)
