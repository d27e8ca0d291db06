"""What a trained model keeps of normal studies: color scales, percentiles, held-out scores, thresholds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from medad.config import Evaluation
from medad.data.loading import Loader
from medad.data.splits import SplitError
from medad.functional.conformal import conformal_threshold, least_normals
from medad.functional.intervals import Floats, UndefinedMetric
from medad.functional.pixel_metrics import PixelHistogram
from medad.functional.pooling import study_score
from medad.methods._method import Method
from medad.testset import score_studies
from medad.types import Study

log = logging.getLogger(__name__)
SCALE_QUANTILE = 0.999  # of the maps of training normals: the top of the color scale
MAP_QUANTILE = 0.99  # of the maps of held-out normals, or else training ones: above it, a pixel counts as abnormal


def describe_normals(
    method: Method, learned: Sequence[Study], held_out: Sequence[Study], loader: Loader, evaluation: Evaluation
) -> dict[str, Any]:
    """Fields of the model's card, from the normal studies that it learned from and those that it did not."""
    scores, maps = _scored(method, learned, loader)
    fresh, fresh_maps = _scored(method, held_out, loader) if held_out else ({}, {})
    calibration = {name: np.sort(values) for name, values in fresh.items()}
    return {
        "map_scale": {name: histogram.quantile(SCALE_QUANTILE) for name, histogram in maps.items()},
        "map_threshold": {name: one.quantile(MAP_QUANTILE) for name, one in (fresh_maps or maps).items()},
        "percentiles": {name: tuple(np.percentile(values, range(101)).tolist()) for name, values in scores.items()},
        "calibration": {name: tuple(values.tolist()) for name, values in calibration.items()},
        "thresholds": {name: normal_thresholds(values, evaluation) for name, values in calibration.items()},
    }


def _scored(
    method: Method, studies: Sequence[Study], loader: Loader
) -> tuple[dict[str, Floats], dict[str, PixelHistogram]]:
    """The scores (S,) of the studies, and the values of their maps, by score."""
    scores: dict[str, list[float]] = {}
    maps: dict[str, PixelHistogram] = {}
    for one in score_studies(method, studies, loader):
        for name in one.scores:
            scores.setdefault(name, []).append(study_score(one.scores[name].members))
            maps.setdefault(name, PixelHistogram()).add(one.maps(name))
    return {name: np.array(values) for name, values in scores.items()}, maps


def check_calibration(count: int, evaluation: Evaluation) -> None:
    """Say before a training what ``count`` held-out normals will not allow.

    Raises:
        SplitError: they are too few for any of the operating points.
    """
    if not count or not evaluation.specificities:
        return
    short = [level for level in evaluation.specificities if count < least_normals(_alpha(level))]
    needs = ", ".join(f"{level:g} needs {least_normals(_alpha(level))}" for level in short)
    if len(short) == len(evaluation.specificities):
        raise SplitError(
            f"{count} held-out normals are too few for a threshold: a specificity of {needs}; hold out a larger share "
            "(--set calibration=0.3), give more normal studies, or ask for less (--set 'specificities=[0.8]')"
        )
    if short:
        log.warning("%d held-out normals: no threshold where a specificity of %s", count, needs)


def normal_thresholds(calibration: Floats, evaluation: Evaluation) -> dict[str, float]:
    """Operating points by name, from the scores (n,) of held-out normals; those that n does not allow are left out."""
    points = {}
    for level in evaluation.specificities:
        try:
            points[point_name("spec", level)] = conformal_threshold(calibration, _alpha(level))
        except UndefinedMetric:
            continue
    return points


def point_name(kind: str, level: float) -> str:
    """ "spec95" for a specificity of 0.95."""
    return f"{kind}{100 * level:g}"


def _alpha(specificity: float) -> float:
    """1 - specificity, without the rounding of binary fractions."""
    return round(1 - specificity, 12)
