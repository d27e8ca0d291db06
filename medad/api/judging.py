"""Judge scores by labels: metrics with intervals, and the paired test of two scores on the same cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np

from medad.api.inputs import InputError
from medad.config import Evaluation, build
from medad.functional.intervals import CONFIDENCE, Difference, Floats, Ints


def evaluate(
    labels: Any,
    scores: Any,
    patients: Sequence[object] | None = None,
    *,
    thresholds: Mapping[str, float] | None = None,
    **evaluation: Any,
) -> dict[str, Any]:
    """Return how well scores separate abnormal from normal cases, with intervals.

    Args:
        labels: 0 (normal) or 1 (abnormal) for each of N cases, (N,).
        scores: Their scores, (N,); larger is more abnormal. (N, K) are the scores of K trainings, whose mean is judged.
        patients: The patient of each case, whose cases count as one cluster; None if each case is another patient.
        thresholds: Operating points by name, which give sensitivity and specificity.
        evaluation: Settings that ``medad settings evaluation`` lists, such as confidence, resamples and prevalence.

    Returns:
        Metrics by name: auc, ap and f1_max, each with NAME_low and NAME_high, and the rest of what
        :mod:`medad.evaluation` explains.

    Raises:
        InputError: the shapes do not fit, or a label is neither 0 nor 1.
        UndefinedMetric: there is only one class, too few patients, or a score that is not finite.
        ConfigError: a setting does not exist.
    """
    from medad.evaluation.ranking import judge

    names, values = _cases(labels, scores)
    owners = _patients(patients, len(names))
    return cast(
        "dict[str, Any]",
        judge(names, values, owners, dict(thresholds or {}), build(Evaluation, evaluation, "medad.evaluate")),
    )


def compare(
    labels: Any,
    first: Any,
    second: Any,
    patients: Sequence[object] | None = None,
    *,
    metric: Literal["auc", "ap"] = "auc",
    confidence: float = CONFIDENCE,
    resamples: int = 2000,
) -> Difference:
    """Test whether two scores of the same cases differ, as 'medad compare' does.

    Args:
        labels: 0 (normal) or 1 (abnormal) for each of N cases, (N,).
        first: The scores (N,) of one method, or (N, K) of K trainings of it.
        second: The scores of the other method, for the same cases in the same order.
        patients: The patient of each case, whose cases count as one cluster; None if each case is another patient.
        metric: "auc" (DeLong's test) or "ap" (bootstrap).
        confidence: The confidence of the interval.
        resamples: The bootstrap resamples for "ap".

    Returns:
        Both values, their difference with its interval, and the p-value.

    Raises:
        InputError: the shapes do not fit, a label is neither 0 nor 1, or there is no such metric.
        UndefinedMetric: there is only one class, too few patients, or a score that is not finite.
    """
    from medad.evaluation.ranking import SEED
    from medad.functional.bootstrap import ap_draws, compare_aps
    from medad.functional.delong import compare_aucs
    from medad.functional.intervals import clusters_of

    names, one = _cases(labels, first, "first")
    _, other = _cases(labels, second, "second")
    clusters = clusters_of(_patients(patients, len(names)))
    if metric == "auc":
        return compare_aucs(names, one, other, clusters, confidence)
    if metric != "ap":
        raise InputError(f"compare: metric={metric!r} is no metric here: choose auc or ap")
    draws = [
        ap_draws(names, values, clusters, rng=np.random.default_rng(SEED), resamples=resamples)
        for values in (one, other)
    ]
    return compare_aps(draws[0], draws[1], confidence)


def _cases(labels: Any, scores: Any, name: str = "scores") -> tuple[Ints, Floats]:
    """Return labels (N,) and scores (N, K) as arrays. Raises InputError if they do not fit."""
    try:
        numbers, values = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"labels and {name} must be numbers") from None
    if numbers.ndim != 1 or values.ndim not in (1, 2) or len(values) != len(numbers):
        raise InputError(f"labels must be (N,) and {name} (N,) or (N, K), got {numbers.shape} and {values.shape}")
    if not np.isin(numbers, (0, 1)).all():
        raise InputError("labels must be 0 (normal) or 1 (abnormal) for every case")
    return numbers.astype(np.int64), values.reshape(len(values), -1)


def _patients(patients: Sequence[object] | None, count: int) -> list[str | None]:
    if patients is None:
        return [None] * count
    if len(patients) != count:
        raise InputError(f"patients: {len(patients)} for {count} cases: give one for each case")
    return [None if patient is None else str(patient) for patient in patients]
