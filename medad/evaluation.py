"""Scores and labels -> metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medad.types import MedadError


class UndefinedMetric(MedadError):
    """A metric that these cases do not define."""


@dataclass(frozen=True)
class Ranking:
    """How well a score ranks abnormal cases above normal ones: AUROC and average precision.

    Where several networks are judged one by one, the mean over them, and their standard deviation (unbiased).
    """

    auc: float
    ap: float
    auc_std: float | None
    ap_std: float | None
    n_normal: int
    n_abnormal: int


def rank(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> Ranking:
    """Judge ``scores`` (N, M) of N cases by ``labels`` (N,), 0 or 1; each of the M columns is judged by itself.

    Raises:
        UndefinedMetric: only one class is there, or a score is not finite.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    n_abnormal = int(labels.sum())
    n_normal = len(labels) - n_abnormal
    if not n_normal or not n_abnormal:
        raise UndefinedMetric(f"AUC and AP need normal and abnormal cases; there are {n_normal} and {n_abnormal}")
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores).all(axis=1)).sum())
        raise UndefinedMetric(f"{bad} of {len(scores)} cases have no finite score")
    aucs = [float(roc_auc_score(labels, column)) for column in scores.T]
    aps = [float(average_precision_score(labels, column)) for column in scores.T]
    return Ranking(float(np.mean(aucs)), float(np.mean(aps)), _std(aucs), _std(aps), n_normal, n_abnormal)


def _std(values: list[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
