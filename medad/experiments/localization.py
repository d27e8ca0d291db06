"""How well the maps mark what is abnormal, study after study."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.experiments.score_studies import ScoredStudy
from medad.functional.intervals import CONFIDENCE, UndefinedMetric, clusters_of
from medad.functional.means import mean_interval
from medad.functional.pixel_metrics import PixelMetrics, points_into
from medad.functional.proportions import proportion
from medad.types import Study

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


class Localization:
    """Takes scored studies of a test set one by one, and holds no image of them.

    Masks (``mask_kind`` "pixels") give pixel metrics, in which normal studies take part with all their pixels; boxes
    give the pointing game. An abnormal study without either, or whose mask vanishes on the network's grid, takes no
    part. ``thresholds`` are those of ``pixel_dice``, by score.
    """

    def __init__(self, studies: Iterable[Study], thresholds: Mapping[str, float]) -> None:
        self.masked = any(study.mask is not None and study.mask_kind == "pixels" for study in studies)
        self.thresholds = thresholds
        self._pixels: dict[str, PixelMetrics] = {}
        self._hits: dict[str, list[bool]] = {}
        self._each: dict[str, list[float]] = {}
        self._patients: list[str | None] = []

    def add(self, scored: ScoredStudy, mask: Mask | None) -> float | None:
        """Count a study and its mask (N, S, S); the AUROC of its own pixels, where it has marked and unmarked ones.

        It is the mean over the scores: what cases are ranked by in the panel.
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

    def row(self, name: str, confidence: float = CONFIDENCE) -> dict[str, Any]:
        """The part of a result row that the maps of one score decide; see medad.evaluation."""
        row: dict[str, Any] = {}
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
        return row

    def _within_studies(self, name: str, confidence: float) -> dict[str, float]:
        """The mean AUROC of a study's own pixels, with its interval over studies; nothing for a single patient."""
        values = np.array(self._each.get(name, []))
        try:
            area = mean_interval(values, clusters_of(self._patients), confidence)
        except UndefinedMetric:
            return {}
        low, high = max(0.0, area.low), min(1.0, area.high)
        return {"pixel_auc_each": area.value, "pixel_auc_each_low": low, "pixel_auc_each_high": high}


def _pixel_auc(mask: Mask, maps: NDArray[np.float32]) -> float:
    """The AUROC of one study's own pixels."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(mask.ravel(), maps.ravel()))
