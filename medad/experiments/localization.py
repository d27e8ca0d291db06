"""Accumulate localization metrics of anomaly maps, one study at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from medad.experiments.score_studies import ScoredStudy
from medad.functional.intervals import CONFIDENCE, UndefinedMetric, clusters_of
from medad.functional.means import mean_interval
from medad.functional.pixel_metrics import PixelMetrics, points_into
from medad.functional.proportions import proportion
from medad.results.row import Localized
from medad.types import Study

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


class Localization:
    """Accumulates the scored studies of a test set without keeping their images.

    Studies with masks (``mask_kind`` "pixels") give pixel metrics, which include all pixels of normal studies; studies
    with boxes give the pointing game. An abnormal study without mask, or whose mask is empty on the network's grid, is
    ignored. ``thresholds`` are the map thresholds of ``pixel_dice``, by score.
    """

    def __init__(self, studies: Iterable[Study], thresholds: Mapping[str, float]) -> None:
        self.masked = any(study.mask is not None and study.mask_kind == "pixels" for study in studies)
        self.thresholds = thresholds
        self._pixels: dict[str, PixelMetrics] = {}
        self._hits: dict[str, list[bool]] = {}
        self._each: dict[str, list[float]] = {}
        self._patients: list[str | None] = []

    def add(self, scored: ScoredStudy, mask: Mask | None) -> float | None:
        """Add a study and its mask (N, S, S); return the AUROC of its pixels, averaged over the scores.

        The result ranks the cases of the panel. It is None unless the mask has marked and unmarked pixels.
        """
        if scored.study.label and (mask is None or not mask.any()):
            if mask is not None:
                log.warning("a mask of the test set marks nothing on the network's grid: its study is left out of it")
            return None
        maps = {name: scored.maps(name) for name in scored.scores}
        if scored.study.label and mask is not None and scored.study.mask_kind == "boxes":
            for name, values in maps.items():
                self._hits.setdefault(name, []).append(points_into(values, mask))
        elif self.masked:
            for name, values in maps.items():
                metrics = self._pixels.setdefault(name, PixelMetrics(self.thresholds.get(name)))
                metrics.add(values, np.zeros(values.shape, dtype=bool) if mask is None else mask)
        if mask is None or mask.all():
            return None
        areas = {name: _pixel_auc(mask, values) for name, values in maps.items()}
        if scored.study.mask_kind == "pixels":
            self._patients.append(scored.study.patient)
            for name, area in areas.items():
                self._each.setdefault(name, []).append(area)
        return float(np.mean(list(areas.values())))

    def row(self, name: str, confidence: float = CONFIDENCE) -> Localized:
        """Return the localization metrics of one score; medad.evaluation explains the keys."""
        row: dict[str, float | int | None] = {}
        if self._pixels and self._pixels[name].n_masks:
            metrics = self._pixels[name].result()
            row = {f"pixel_{key}": getattr(metrics, key) for key in ("auc", "ap", "f1_max", "aupro", "dice_oracle")}
            row |= {
                "pixel_dice": metrics.dice,
                "pixel_threshold": self.thresholds.get(name),
                "n_masks": metrics.n_masks,
            }
            row |= self._within_studies(name, confidence)
        if self._hits:
            hits = proportion(np.array(self._hits[name]), confidence=confidence)
            row |= {"pointing": hits.value, "pointing_low": hits.low, "pointing_high": hits.high}
            row["n_boxes"] = len(self._hits[name])
        return cast("Localized", row)

    def _within_studies(self, name: str, confidence: float) -> dict[str, float]:
        """Return the mean AUROC within studies and its interval over studies; empty if the interval is undefined."""
        values = np.array(self._each.get(name, []))
        try:
            area = mean_interval(values, clusters_of(self._patients), confidence)
        except UndefinedMetric:
            return {}
        low, high = max(0.0, area.low), min(1.0, area.high)
        return {"pixel_auc_each": area.value, "pixel_auc_each_low": low, "pixel_auc_each_high": high}


def _pixel_auc(mask: Mask, maps: NDArray[np.float32]) -> float:
    """Return the AUROC of the pixels of one study; mask and maps are (N, S, S)."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(mask.ravel(), maps.ravel()))
