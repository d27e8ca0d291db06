"""Turn a simulated subject into the stored values of a scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medad.datasets.demo.anatomy import Subject

LARGEST = 4095  # stored values use 12 of 16 bits
SLICE_THICKNESS_MM = 1.0
GAIN = (350.0, 950.0)  # rescaled value of white matter, arbitrary units as on any MR scanner
SLOPE = (0.36, 0.64)  # rescaled units for each stored step
OFFSET = (8, 64)  # stored value of zero signal


@dataclass(frozen=True)
class Scan:
    """A subject as stored: ``stored`` (H, W) uint16 in 0..4095; value = stored * slope + intercept."""

    stored: NDArray[np.uint16]
    mask: NDArray[np.bool_]
    spacing_mm: float
    level_mm: float
    slope: float
    intercept: float
    window: tuple[float, float]


def digitize(subject: Subject, rng: np.random.Generator) -> Scan:
    """Apply the receiver gain, round to 12 bits, and set the window of a scanner (1st to 99.5th percentile)."""
    slope = round(float(rng.uniform(*SLOPE)), 4)
    intercept = round(-slope * int(rng.integers(*OFFSET)), 4)
    values = subject.image * float(rng.uniform(*GAIN))
    stored = np.clip(np.rint((values - intercept) / slope), 0, LARGEST).astype(np.uint16)
    low, high = np.percentile(stored * slope + intercept, (1.0, 99.5))
    window = (float(round((low + high) / 2)), float(round(high - low)))
    return Scan(stored, subject.mask, subject.spacing_mm, subject.level_mm, slope, intercept, window)


def first_pixel(length: int, spacing: float) -> float:
    """Return the position of the first of ``length`` pixels, in mm from the center of the axis."""
    return -(length - 1) / 2 * spacing
