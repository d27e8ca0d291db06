"""Measure the spread of scores and maps, which shows without labels whether they carry information."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medad.functional.intervals import Floats

ENDS = (0.01, 0.99)  # quantiles of a map's pixels, robust to single pixels
MOST = 0.9  # quantile over the slices
MIDDLE = (0.05, 0.95)  # quantiles of the scores of normal studies


class MapSpread:
    """Accumulates the spread of maps, one number for each slice."""

    def __init__(self) -> None:
        self._spans: list[float] = []

    def add(self, maps: NDArray[np.float32]) -> None:
        """Add the maps (N, H, W) of a study's slices; pixels that are not finite are ignored."""
        for values in maps:
            finite = values[np.isfinite(values)]
            if len(finite):
                low, high = (float(end) for end in np.quantile(finite, ENDS))
                level = max(abs(low), abs(high))
                self._spans.append((high - low) / level if level else 0.0)

    def contrast(self) -> float:
        """Return the 90th percentile over slices of the span of map values relative to their level.

        The span lies between 0 (constant map) and 2. The level is computed for each slice, since good maps of normal
        studies are faint compared with those of abnormal studies. The percentile is robust to a few slices.
        """
        return float(np.quantile(self._spans, MOST)) if self._spans else 0.0


def score_spread(values: Floats) -> float:
    """Return the span of the middle 90 % of ``values`` (N,) relative to their median size; 0 if all are equal."""
    low, high = np.quantile(values, MIDDLE)
    size = float(np.median(np.abs(values))) or float(np.abs(values).max())
    return float(high - low) / size if size else 0.0
