"""Test pairs of entries for a difference in AUC or AP, and correct the p-values for multiple tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medad.config import Evaluation
from medad.evaluation.comparisons import Comparison
from medad.evaluation.entries import ComparedScore
from medad.evaluation.ranking import SEED
from medad.functional.bootstrap import Draws, ap_draws, compare_aps
from medad.functional.delong import compare_aucs
from medad.functional.intervals import Ints, UndefinedMetric


class ApDraws:
    """Bootstrap the APs of entries, each entry once, from one seed so that entries on the same cases are paired."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._resamples = evaluation.resamples
        self._draws: dict[tuple[int, bytes], Draws] = {}

    def __call__(self, entry: ComparedScore, clusters: Ints | None) -> Draws:
        key = (id(entry), b"" if clusters is None else clusters.tobytes())
        if key not in self._draws:
            rng = np.random.default_rng(SEED)
            self._draws[key] = ap_draws(entry.labels, entry.values, clusters, rng=rng, resamples=self._resamples)
        return self._draws[key]


def paired_test(
    metric: str, first: ComparedScore, second: ComparedScore, evaluation: Evaluation, draws: ApDraws
) -> Comparison:
    """Test whether two entries on the same cases differ in a metric.

    Args:
        metric: "auc" (DeLong's test) or "ap" (a paired bootstrap).
        first: one entry.
        second: another entry, with the same cases.
        evaluation: the settings, of which the confidence is used.
        draws: the resamples of the APs, shared by all tests.

    Returns:
        Both values, their difference and its p-value, or a note with the reason why they are undefined.
    """
    clusters, confidence = first.clusters, evaluation.confidence
    try:
        if metric == "auc":
            difference = compare_aucs(first.labels, first.values, second.values, clusters, confidence)
        else:
            difference = compare_aps(draws(first, clusters), draws(second, clusters), confidence)
    except UndefinedMetric as error:
        return Comparison(first, second, metric, None, str(error))
    return Comparison(first, second, metric, difference)


def holm_corrected(answers: Sequence[Comparison]) -> list[Comparison]:
    """Return ``answers`` in the same order with ``p_holm`` set (Holm, 1979); those on one dataset form a family."""
    from statsmodels.stats.multitest import multipletests

    corrected = list(answers)
    for dataset in dict.fromkeys(answer.first.dataset for answer in answers):
        family = [
            (place, answer.result.p)
            for place, answer in enumerate(answers)
            if answer.first.dataset == dataset and answer.result is not None
        ]
        values = multipletests([p for _, p in family], method="holm")[1] if family else []
        for (place, _), p in zip(family, values, strict=True):
            corrected[place] = replace(answers[place], p_holm=float(p), tests=len(family))
    return corrected
