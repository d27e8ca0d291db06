"""How far scores and maps spread: what says whether they hold any information, before any label is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medad.functional.intervals import Floats

ENDS = (0.01, 0.99)  # quantiles of a map's pixels, so that single pixels decide nothing
MOST = 0.9  # of the slices
MIDDLE = (0.05, 0.95)  # quantiles of the scores of normal studies


class MapSpread:
    """Takes the maps of one study after another, and holds one number of each slice."""

    def __init__(self) -> None:
        self._spans: list[float] = []

    def add(self, maps: NDArray[np.float32]) -> None:
        """Count the maps (N, H, W) of a study's slices; pixels that are not finite are left out."""
        for values in maps:
            finite = values[np.isfinite(values)]
            if len(finite):
                low, high = (float(end) for end in np.quantile(finite, ENDS))
                level = max(abs(low), abs(high))
                self._spans.append((high - low) / level if level else 0.0)

    def contrast(self) -> float:
        """The span of a slice's values as a share of their level, from 0 (constant) to 2, of the livelier slices.

        Each slice has its own level: where maps are good, those of normal studies are faint beside those of abnormal
        ones, and that is no fault. Nine of ten slices have this contrast or less, so that a few decide nothing.
        """
        return float(np.quantile(self._spans, MOST)) if self._spans else 0.0


def score_spread(values: Floats) -> float:
    """The span of the middle 90 % of ``values`` (N,) as a share of their median size; 0 where all are equal."""
    low, high = np.quantile(values, MIDDLE)
    size = float(np.median(np.abs(values))) or float(np.abs(values).max())
    return float(high - low) / size if size else 0.0
