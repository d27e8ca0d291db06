"""What statistics return: an estimate with its interval, a difference with its p-value, or that it is undefined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medad.types import MedadError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CONFIDENCE = 0.95


class UndefinedMetric(MedadError):
    """A metric that these cases do not define."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Two estimates on the same cases, ``first`` - ``second`` with its interval, and the two-sided p-value."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def check_cases(labels: Ints, scores: Floats) -> None:
    """Refuse ``scores`` (N, M) of N cases that their ``labels`` (N,), 0 or 1, cannot judge."""
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(f"labels must be (N,) and scores (N, M), got {labels.shape} and {scores.shape}")
    n_abnormal = int(labels.sum())
    n_normal = len(labels) - n_abnormal
    if not n_normal or not n_abnormal:
        raise UndefinedMetric(f"AUC and AP need normal and abnormal cases; there are {n_normal} and {n_abnormal}")
    bad = int((~np.isfinite(scores).all(axis=1)).sum())
    if bad:
        raise UndefinedMetric(f"{bad} of {len(scores)} cases have no finite score")


def cluster_index(clusters: Ints | None, cases: int) -> Ints:
    """Clusters as 0, 1, 2, ... (N,); without ``clusters``, each case is one by itself."""
    if clusters is None:
        return np.arange(cases, dtype=np.int64)
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)
