"""Define the result row of result.json and results.csv: one score of one experiment."""

from __future__ import annotations

import math
from typing import TypedDict, cast

TEXTS = ("dataset", "split", "method", "variant", "network", "score", "title", "clusters", "findings", "adjusted_note")
FLAGS = ("primary", "trivial")


class AboutData(TypedDict):
    """The columns on the data of an experiment: None where a benchmark does not know it."""

    split: str
    anomaly_rate: float | None
    n_unlabeled: int | None
    n_unlabeled_abnormal: int | None


class _Areas(TypedDict):
    auc: float
    ap: float


class Ranking(_Areas, total=False):
    """The columns on how well a score ranks; operating points add NAME_threshold, NAME_sensitivity and so on."""

    auc_low: float | None
    auc_high: float | None
    auc_std: float | None
    ap_low: float | None
    ap_high: float | None
    ap_std: float | None
    f1_max: float | None
    f1_max_low: float | None
    f1_max_high: float | None
    n_normal: int
    n_abnormal: int
    n_patients: int | None
    clusters: str
    confidence: float
    prevalence: float | None


class Localized(TypedDict, total=False):
    """The columns on how well maps find masks or boxes; absent without them."""

    pixel_auc: float | None
    pixel_ap: float | None
    pixel_f1_max: float | None
    pixel_aupro: float | None
    pixel_dice_oracle: float | None
    pixel_dice: float | None
    pixel_threshold: float | None
    n_masks: int
    pixel_auc_each: float | None
    pixel_auc_each_low: float | None
    pixel_auc_each_high: float | None
    pointing: float | None
    pointing_low: float | None
    pointing_high: float | None
    n_boxes: int


class Adjusted(TypedDict, total=False):
    """The columns on the AUC among studies that were acquired alike; None, with a note, where it is undefined."""

    auc_adjusted: float | None
    auc_adjusted_low: float | None
    auc_adjusted_high: float | None
    acquisition_auc: float | None
    acquisition_auc_low: float | None
    acquisition_auc_high: float | None
    n_comparable: int | None
    adjusted_note: str


class _Names(TypedDict):
    dataset: str
    method: str
    score: str


class ResultRow(_Names, Ranking, Localized, Adjusted, total=False):
    """The columns of results.csv, required and optional; medad.evaluation explains each.

    The one definition for the code that writes rows and the code that reads them back. A row has further columns for
    each operating point, NAME_threshold, NAME_sensitivity and so on: read these with :func:`number_of`.
    """

    split: str
    variant: str
    network: str
    title: str
    seed: int
    anomaly_rate: float | None
    n_unlabeled: int | None
    n_unlabeled_abnormal: int | None
    epochs: int
    seconds: float
    primary: bool
    trivial: bool
    normal_spread: float | None
    map_contrast: float | None
    loss_fall: float | None
    findings: str


def number_of(row: object, key: str) -> float | None:
    """Return the value of ``key`` in a result row if it is a finite number, else None.

    >>> number_of({"auc": 0.9, "auc_low": float("nan")}, "auc_low") is None
    True
    """
    return finite(cast("dict[str, object]", row).get(key))


def finite(value: object) -> float | int | None:
    """Return ``value`` if it is a finite number, else None; a bool is no number.

    >>> finite(0.5), finite(True), finite("0.5")
    (0.5, None, None)
    """
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
