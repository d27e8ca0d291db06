"""Conformal p-values: how unusual a study is among normal studies that the model never learned from.

What is guaranteed (Vovk et al., 2005; Bates et al., Annals of Statistics 2023): if a new normal study and the n
held-out normals are exchangeable (drawn alike, from one kind of patient and scanner), then the chance that its p-value
is at most alpha is at most alpha, whatever the model is. No abnormal study is needed, nor any shape of distribution.

What is not: the chance is taken over the held-out studies too, so the false-alarm rate of one model varies around
alpha (:func:`false_alarm_range`); nothing is promised for a group of patients, for studies unlike the held-out ones,
nor of how many abnormal studies are found. Studies of one patient are not exchangeable with those of another: with
many studies for each patient, the range is that of fewer studies.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
from scipy import stats

from medad.functional.intervals import CONFIDENCE, Floats, UndefinedMetric


def p_values(calibration: Floats, scores: Floats) -> Floats:
    """(1 + number of held-out normals that score as high or higher) / (n + 1), for each of ``scores`` (...)."""
    if not len(calibration):
        raise UndefinedMetric("p-values need held-out normals, and there are none: train with --set calibration=0.2")
    ordered = np.sort(calibration)
    as_high = len(ordered) - np.searchsorted(ordered, scores, side="left")
    p: Floats = (1 + as_high) / (len(ordered) + 1)
    return p


def conformal_threshold(calibration: Floats, alpha: float) -> float:
    """The score that a study must exceed for a p-value of at most ``alpha``: one of ``calibration`` (n,).

    Raises:
        UndefinedMetric: there are too few held-out normals for any p-value to be that low.
    """
    rank = _rank(len(calibration), alpha)
    if rank < 1:
        raise UndefinedMetric(
            f"a false-alarm rate of {alpha:g} needs at least {least_normals(alpha)} held-out normals; there are "
            f"{len(calibration)}: hold out more of them (--set calibration=0.3), or allow more false alarms"
        )
    return float(np.sort(calibration)[-rank])


def least_normals(alpha: float) -> int:
    """The fewest held-out normals with which a p-value can be at most ``alpha``."""
    return ceil(1 / Fraction(str(alpha))) - 1


def false_alarm_range(n: int, alpha: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Where the false-alarm rate of one model lies with this probability, for ``n`` held-out normals without ties.

    The rate follows a beta distribution with parameters k and n + 1 - k, k = floor(alpha (n + 1)) (Vovk, 2012).
    """
    rank = _rank(n, alpha)
    if rank < 1:
        return 0.0, 0.0
    low, high = stats.beta(rank, n + 1 - rank).interval(confidence)
    return float(low), float(high)


def _rank(n: int, alpha: float) -> int:
    return int(Fraction(str(alpha)) * (n + 1))
