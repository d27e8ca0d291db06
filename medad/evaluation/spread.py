"""How far scores and maps spread: what says whether they hold any information, before any label is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medad.functional.intervals import Floats

ENDS = (0.01, 0.99)  # quantiles of a map's pixels, so that single pixels decide nothing
MIDDLE = (0.05, 0.95)  # quantiles of the scores of normal studies


class MapSpread:
    """Takes the maps of one study after another, and holds two numbers of each slice."""

    def __init__(self) -> None:
        self._spreads: list[float] = []
        self._scale = 0.0

    def add(self, maps: NDArray[np.float32]) -> None:
        """Count the maps (N, H, W) of a study's slices; pixels that are not finite are left out."""
        for values in maps:
            finite = values[np.isfinite(values)]
            if len(finite):
                low, high = (float(end) for end in np.quantile(finite, ENDS))
                self._spreads.append(high - low)
                self._scale = max(self._scale, abs(low), abs(high))

    def contrast(self) -> float:
        """The median over slices of the span of their values, as a share of the highest of all; 0 for maps of zeros."""
        return float(np.median(self._spreads)) / self._scale if self._spreads and self._scale else 0.0


def score_spread(values: Floats) -> float:
    """The span of the middle 90 % of ``values`` (N,) as a share of their median size; 0 where all are equal."""
    low, high = np.quantile(values, MIDDLE)
    size = float(np.median(np.abs(values))) or float(np.abs(values).max())
    return float(high - low) / size if size else 0.0
