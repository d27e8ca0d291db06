"""Define the result row of result.json and results.csv: one score of one experiment."""

from __future__ import annotations

import math
from typing import TypedDict, cast

TEXTS = ("dataset", "split", "method", "variant", "network", "score", "title", "clusters", "findings", "adjusted_note")
FLAGS = ("primary", "trivial")


class _What(TypedDict):
    dataset: str
    method: str
    score: str
    auc: float
    ap: float


class ResultRow(_What, total=False):
    """The keys of a result row, required and optional; medad.evaluation explains each key.

    A row may have further keys: NAME_threshold, NAME_sensitivity, ... for each operating point, and the pixel metrics.
    Read these with :func:`number_of`.
    """

    split: str
    variant: str
    network: str
    title: str
    seed: int
    anomaly_rate: float | None
    n_unlabeled: int | None
    n_unlabeled_abnormal: int | None
    n_normal: int
    n_abnormal: int
    n_patients: int | None
    clusters: str
    confidence: float
    prevalence: float | None
    epochs: int
    seconds: float
    auc_low: float | None
    auc_high: float | None
    auc_std: float | None
    auc_adjusted: float | None
    auc_adjusted_low: float | None
    auc_adjusted_high: float | None
    acquisition_auc: float | None
    n_comparable: int | None
    adjusted_note: str
    ap_low: float | None
    ap_high: float | None
    ap_std: float | None
    primary: bool
    trivial: bool
    findings: str


def number_of(row: object, key: str) -> float | None:
    """Return the value of ``key`` if it is a finite number, else None."""
    return finite(cast("dict[str, object]", row).get(key))


def finite(value: object) -> float | int | None:
    """Return ``value`` if it is a finite number, else None."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return cast("float | int", value) if numeric else None


def checked_row(row: object) -> ResultRow | None:
    """Return the row with text, flags and numbers (finite or None) converted, or None if required keys are missing."""
    if not isinstance(row, dict) or not {"dataset", "method", "score", "auc", "ap"} <= row.keys():
        return None
    with_defaults = {**dict.fromkeys(TEXTS, "-"), "findings": "", "adjusted_note": "", **row}
    return cast("ResultRow", {str(key): _checked(str(key), value) for key, value in with_defaults.items()})


def _checked(key: str, value: object) -> object:
    if key in TEXTS:
        return str(value)
    return value is True if key in FLAGS else finite(value)
