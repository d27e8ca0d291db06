"""Define the results of statistics: an estimate with its interval, a difference with its p-value, and an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medad.types import MedadError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CONFIDENCE = 0.95


class UndefinedMetric(MedadError):
    """The metric is not defined for these cases."""


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Two estimates on the same cases, their difference ``first`` - ``second`` with its interval, and its p-value."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


def check_cases(labels: Ints, scores: Floats) -> None:
    """Check that ``scores`` (N, M) can be evaluated with ``labels`` (N,), 0 or 1.

    Raises:
        ValueError: the shapes do not fit.
        UndefinedMetric: there is only one class, or a score is not finite.
    """
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
    """Return the clusters renumbered to 0, 1, 2, ..., (N,); without ``clusters``, each case is its own cluster."""
    if clusters is None:
        return np.arange(cases, dtype=np.int64)
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)


def clusters_of(patients: Sequence[str | None]) -> Ints | None:
    """Return a patient number for each study, (N,), or None if no two studies share a patient.

    A study of an unknown patient counts as a patient of its own.

    >>> clusters_of(["P1", "P2", "P1", None]).tolist()
    [0, 1, 0, 2]
    """
    names = [f"study {place}" if patient is None else f"of {patient}" for place, patient in enumerate(patients)]
    if len(set(names)) == len(names):
        return None
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
