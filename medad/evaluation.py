"""Scores and labels -> metrics: the rows of result.json and results.csv.

A row is flat, one for each score of an experiment. A key that does not apply is left out or null; every interval is
NAME_low and NAME_high, at the ``confidence`` of the row (0.95).

What was run: dataset, split, method, variant (of the grid's settings, "-" without), network, score, title (what
    tables call the score), seed, anomaly_rate, n_unlabeled, n_unlabeled_abnormal, epochs, seconds.
The cases: n_normal, n_abnormal (studies); n_patients (null: not every study says whose it is); clusters ("patients"
    where the intervals treat the studies of one patient as one, else "studies").
Ranking: auc, auc_low, auc_high, ap, ap_low, ap_high, f1_max, f1_max_low, f1_max_high (F1 at the threshold that is
    best on these very cases: an oracle); auc_std, ap_std (over the networks that are judged one by one, null for one).
    For "single", which judges M networks one by one, a metric is the mean over them, and its interval that of the mean
    over new cases with the same networks.
Operating points, for each NAME in the model's thresholds, such as "spec95" (made for a specificity of 95 %) or
    "sens90": NAME_threshold (flagged means score > threshold), NAME_sensitivity, NAME_specificity, each with _low and
    _high (Wilson); NAME_ppv, NAME_npv at the stated ``prevalence`` (absent without one).
Pixels, on the network's grid, where there are masks: pixel_auc, pixel_ap, pixel_f1_max, pixel_aupro (to a false-
    positive rate of 0.3), pixel_dice_oracle (best threshold on these very masks), pixel_dice at pixel_threshold (from
    maps of normals, never from test), n_masks; where masks are boxes: pointing, pointing_low, pointing_high, n_boxes.
"""

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
