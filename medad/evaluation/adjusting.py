"""Adjust the AUC of a result for how the test studies were acquired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from medad.config import Evaluation
from medad.evaluation.ranking import SEED
from medad.functional.adjusted_auc import adjusted_auc
from medad.functional.delong import auc_interval
from medad.functional.intervals import Floats, Ints, UndefinedMetric, clusters_of
from medad.results.row import Adjusted

NO_COVARIATE = "the training had too few studies for a model of their acquisition"
MOST_RESAMPLES = 1000  # the bootstrap of pairs costs more than that of ranks


def judge_adjusted(
    labels: Ints,
    scores: Floats,
    patients: Sequence[str | None],
    covariate: Floats | None,
    evaluation: Evaluation,
) -> Adjusted:
    """Return the adjusted AUC and that of the covariate, with intervals; medad.evaluation explains the keys.

    Args:
        labels: 0 (normal) or 1 (abnormal) for each of N studies, (N,).
        scores: (N, M); the adjusted AUC is the mean over the columns.
        patients: the patient of each study, or None if unknown.
        covariate: the acquisition score of each study, (N,); None if there is none.
        evaluation: confidence and resamples.
    """
    names = [f"{key}{end}" for key in ("auc_adjusted", "acquisition_auc") for end in ("", "_low", "_high")]
    row: dict[str, object] = {**dict.fromkeys(names), "n_comparable": None, "adjusted_note": ""}
    if covariate is None:
        return cast("Adjusted", {**row, "adjusted_note": NO_COVARIATE})
    clusters, confidence = clusters_of(patients), evaluation.confidence
    try:
        plain = auc_interval(labels, covariate[:, None], clusters, confidence)
        row |= zip(names[3:], (plain.value, plain.low, plain.high), strict=True)
        count = min(MOST_RESAMPLES, evaluation.resamples)
        rng = np.random.default_rng(SEED)
        adjusted = adjusted_auc(labels, scores, covariate, clusters, rng=rng, resamples=count, confidence=confidence)
    except UndefinedMetric as error:
        return cast("Adjusted", {**row, "adjusted_note": str(error)})
    interval = adjusted.interval
    row |= zip(names[:3], (interval.value, interval.low, interval.high), strict=True)
    return cast("Adjusted", {**row, "n_comparable": adjusted.comparable})
