"""Derive the card's reference values from normal studies: color scales, drawn map, held-out scores, thresholds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from medad.config import ConfigError, Evaluation
from medad.data.loading import Loader
from medad.experiments.map_choice import Probes, best_map, check_maps
from medad.experiments.score_studies import score_studies
from medad.functional.conformal import conformal_threshold, least_normals
from medad.functional.intervals import Floats, UndefinedMetric
from medad.functional.pixel_metrics import PixelHistogram
from medad.functional.pooling import study_score
from medad.methods.base import Method
from medad.model import Card
from medad.splits import SplitError
from medad.types import Study

log = logging.getLogger(__name__)
MAP_QUANTILE = 0.995  # of the map pixels of normals; pixels above it count as abnormal and are colored
SCANS_QUANTILE = 0.95  # of the highest map values of normal studies
SCALE_LENGTH = 2.0  # that quantile lies in the middle of the color scale, so that nearly all normal studies stay faint


def describe_normals(
    method: Method, learned: Sequence[Study], held_out: Sequence[Study], loader: Loader, evaluation: Evaluation
) -> dict[str, Any]:
    """Return fields of the model's card, computed from the normal studies ``held_out`` of the training.

    Without held-out studies, the maps are described by the training studies ``learned``, and the card gets no
    calibration scores: relative to training studies, every new study would look abnormal.
    """
    scores, maps, highest, probes = _score_normals(method, held_out or learned, loader)
    calibration = {name: np.sort(values) for name, values in scores.items()} if held_out else {}
    check = check_maps(method, probes)
    ranking = _if_available(evaluation.score, method) or method.primary
    return {
        "score": ranking,
        "map": _if_available(evaluation.map, method) or best_map(check, ranking),
        "map_check": check,
        "map_quantile": MAP_QUANTILE,
        "map_scale": {name: _scale_end(histogram, highest[name]) for name, histogram in maps.items()},
        "map_threshold": {name: histogram.quantile(MAP_QUANTILE) for name, histogram in maps.items()},
        "calibration": {name: tuple(values.tolist()) for name, values in calibration.items()},
        "thresholds": {name: normal_thresholds(values, evaluation) for name, values in calibration.items()},
    }


def check_choices(built: Iterable[Method], evaluation: Evaluation) -> None:
    """Check that at least one of the ``built`` methods has the ranking score and the map that ``evaluation`` names.

    Raises:
        ConfigError: no method has such a score.
    """
    scores = list(dict.fromkeys(name for method in built for name in method.scores))
    for key, choice in (("score", evaluation.score), ("map", evaluation.map)):
        if choice is not None and choice not in scores:
            raise ConfigError(f"settings: {key}={choice!r} is no score here: choose from {', '.join(scores)}")


def choose(card: Card, method: Method, evaluation: Evaluation) -> Card:
    """Return the card with the ranking score and the map of ``evaluation``, if set and available in ``method``."""
    choices = {"score": _if_available(evaluation.score, method), "map": _if_available(evaluation.map, method)}
    return card.model_copy(update={key: name for key, name in choices.items() if name is not None})


def _if_available(name: str | None, method: Method) -> str | None:
    """Return ``name`` if the method has such a score, else None, since all methods of a bench share one setting."""
    return name if name in method.scores else None


def _scale_end(histogram: PixelHistogram, highest: Sequence[float]) -> float:
    """Return the end of the color scale from the ``highest`` map value of each normal study.

    The maps of 19 in 20 normal studies stay in the first half of the scale. The end exceeds the start even if the maps
    of normals are nearly constant.
    """
    start = histogram.quantile(MAP_QUANTILE)
    reached = float(np.quantile(highest, SCANS_QUANTILE))
    return start + SCALE_LENGTH * (reached - start) if reached > start else start + (abs(start) or 1.0)


def _score_normals(
    method: Method, studies: Sequence[Study], loader: Loader
) -> tuple[dict[str, Floats], dict[str, PixelHistogram], dict[str, list[float]], list[Tensor]]:
    """Return the scores (S,) of S studies, the histograms of their maps, and the highest map value of each study.

    All three are by score. The last result is some of the studies' images.
    """
    scores: dict[str, list[float]] = {}
    maps: dict[str, PixelHistogram] = {}
    highest: dict[str, list[float]] = {}
    probes = Probes(len(studies))
    for scored in score_studies(method, studies, loader):
        probes.add(scored)
        for name in scored.scores:
            scores.setdefault(name, []).append(study_score(scored.scores[name].members))
            values = scored.maps(name)
            maps.setdefault(name, PixelHistogram()).add(values)
            highest.setdefault(name, []).append(float(values.max()))
    return {name: np.array(values) for name, values in scores.items()}, maps, highest, probes.images


def check_calibration(count: int, evaluation: Evaluation) -> None:
    """Check before the training that ``count`` held-out normals suffice for the requested specificities.

    A warning is logged if they are too few for some of the operating points.

    Raises:
        SplitError: they are too few for all operating points.
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
    """Return thresholds by name from the scores (n,) of held-out normals; points that need more normals are omitted."""
    points = {}
    for level in evaluation.specificities:
        try:
            points[point_name("spec", level)] = conformal_threshold(calibration, _alpha(level))
        except UndefinedMetric:
            continue
    return points


def point_name(kind: str, level: float) -> str:
    """Return the name of an operating point, as "spec95" for a specificity of 0.95."""
    return f"{kind}{100 * level:g}"


def _alpha(specificity: float) -> float:
    """Return 1 - specificity without the rounding error of binary fractions."""
    return round(1 - specificity, 12)
