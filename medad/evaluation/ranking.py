"""Evaluate how well a score separates abnormal from normal studies: ranking metrics and operating points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from medad.config import Evaluation
from medad.functional.bootstrap import bootstrap_intervals
from medad.functional.delong import auc_covariance, auc_interval
from medad.functional.intervals import Floats, Interval, Ints, check_cases, clusters_of
from medad.functional.proportions import effective_size, predictive_values, proportion
from medad.results.row import Ranking

SEED = 0  # of the bootstrap, so that the same cases give the same interval


def judge(
    labels: Ints,
    scores: Floats,
    patients: Sequence[str | None],
    thresholds: Mapping[str, float],
    evaluation: Evaluation,
) -> Ranking:
    """Return the image-level metrics of a result row; medad.evaluation explains the keys.

    Args:
        labels: 0 (normal) or 1 (abnormal) for each of N studies, (N,).
        scores: (N, M); each of the M columns is evaluated separately, and the operating points use their mean.
        patients: the patient of each study, or None if unknown.
        thresholds: the operating points by name.
        evaluation: confidence, resamples and prevalence.

    Raises:
        UndefinedMetric: a class is missing or has fewer than 2 patients, or a score is not finite.
    """
    check_cases(labels, scores)
    clusters = clusters_of(patients)
    unknown = any(patient is None for patient in patients)
    members = [
        bootstrap_intervals(labels, scores[:, [place]], rng=_rng(), resamples=1) for place in range(scores.shape[1])
    ]
    drawn = bootstrap_intervals(
        labels, scores, clusters, rng=_rng(), resamples=evaluation.resamples, confidence=evaluation.confidence
    )
    columns = {
        **_flat("auc", auc_interval(labels, scores, clusters, evaluation.confidence)),
        **_flat("ap", drawn["ap"]),
        **_flat("f1_max", drawn["f1_max"]),
        "auc_std": _std(auc_covariance(labels, scores, clusters)[0].tolist()),
        "ap_std": _std([member["ap"].value for member in members]),
        "n_normal": int((labels == 0).sum()),
        "n_abnormal": int(labels.sum()),
        "n_patients": None if unknown else len(set(patients)),
        "clusters": "studies" if clusters is None else "patients",
        "confidence": evaluation.confidence,
        "prevalence": evaluation.prevalence,
        **{
            key: value
            for name, threshold in thresholds.items()
            for key, value in _point(name, threshold, labels, scores.mean(axis=1), clusters, evaluation).items()
        },
    }
    return cast("Ranking", columns)  # with the columns of the operating points, whose names are not known here


def _point(
    name: str, threshold: float, labels: Ints, scores: Floats, clusters: Ints | None, evaluation: Evaluation
) -> dict[str, float | None]:
    """Return sensitivity, specificity and predictive values of flagging the scores (N,) above ``threshold``."""
    flagged = scores > threshold
    proportions, sizes = [], []
    for label, correct in ((1, flagged), (0, ~flagged)):
        in_class = labels == label
        class_clusters = None if clusters is None else clusters[in_class]
        proportions.append(proportion(correct[in_class], class_clusters, evaluation.confidence))
        sizes.append(effective_size(correct[in_class], class_clusters))
    sensitivity, specificity = proportions
    row: dict[str, float | None] = {f"{name}_threshold": threshold}
    row |= {**_flat(f"{name}_sensitivity", sensitivity), **_flat(f"{name}_specificity", specificity)}
    if evaluation.prevalence is not None:
        values = predictive_values(
            sensitivity, specificity, (sizes[0], sizes[1]), evaluation.prevalence, evaluation.confidence
        )
        for kind, value in zip(("ppv", "npv"), values, strict=True):
            row |= _flat(f"{name}_{kind}", value)
    return row


def _flat(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _std(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)
