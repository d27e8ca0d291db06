"""Conformal p-values: how unusual a study is among held-out normal studies.

Guarantee (Vovk et al., 2005; Bates et al., Annals of Statistics 2023): if a new normal study and the n held-out normals
are exchangeable (from the same population and scanners), the probability that its p-value is at most alpha is at most
alpha, for any model. The guarantee needs no abnormal studies and no assumption on the distribution.

Limits: the probability is over the held-out studies too, so the false-alarm rate of a given model varies around alpha
(:func:`false_alarm_range`). The guarantee does not cover subgroups of patients or studies unlike the held-out ones, and
says nothing about sensitivity. Studies of the same patient are dependent: with many studies for each patient, the range
is as wide as that of fewer studies.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np

from medad.functional.intervals import CONFIDENCE, Floats, UndefinedMetric


def p_values(calibration: Floats, scores: Floats) -> Floats:
    """Return (1 + number of held-out normals that score as high or higher) / (n + 1) for each of ``scores`` (...).

    Raises:
        UndefinedMetric: ``calibration`` (n,) is empty.

    >>> p_values(np.array([0.1, 0.2, 0.3]), np.array([0.25, 0.9])).tolist()
    [0.5, 0.25]
    """
    if not len(calibration):
        raise UndefinedMetric("p-values need held-out normals, and there are none: train with --set calibration=0.2")
    ordered = np.sort(calibration)
    as_high = len(ordered) - np.searchsorted(ordered, scores, side="left")
    p: Floats = (1 + as_high) / (len(ordered) + 1)
    return p


def conformal_threshold(calibration: Floats, alpha: float) -> float:
    """Return the score that a study must exceed for a p-value of at most ``alpha``: one of ``calibration`` (n,).

    Raises:
        UndefinedMetric: there are too few held-out normals for any p-value to be that low.

    >>> conformal_threshold(np.arange(19.0), 0.05)
    18.0
    """
    rank = _rank(len(calibration), alpha)
    if rank < 1:
        raise UndefinedMetric(
            f"a false-alarm rate of {alpha:g} needs at least {least_normals(alpha)} held-out normals; there are "
            f"{len(calibration)}: hold out more of them (--set calibration=0.3), or allow more false alarms"
        )
    return float(np.sort(calibration)[-rank])


def least_normals(alpha: float) -> int:
    """Return the smallest number of held-out normals with which a p-value can be at most ``alpha``.

    >>> least_normals(0.05)
    19
    """
    return ceil(1 / Fraction(str(alpha))) - 1


def false_alarm_range(n: int, alpha: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the range that contains a model's false-alarm rate with probability ``confidence``.

    ``n`` is the number of held-out normals, whose scores have no ties. The rate follows a beta distribution with
    parameters k and n + 1 - k, where k = floor(alpha (n + 1)) (Vovk, 2012).

    >>> [round(end, 3) for end in false_alarm_range(100, 0.05)]
    [0.016, 0.099]
    """
    from scipy import stats  # a second of import, which scoring does without

    rank = _rank(n, alpha)
    if rank < 1:
        return 0.0, 0.0
    low, high = stats.beta(rank, n + 1 - rank).interval(confidence)
    return float(low), float(high)


def _rank(n: int, alpha: float) -> int:
    return int(Fraction(str(alpha)) * (n + 1))
