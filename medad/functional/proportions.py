"""Sensitivity, specificity and predictive values at a given threshold, with intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medad.functional.intervals import CONFIDENCE, Floats, Interval, Ints, UndefinedMetric, cluster_index

Bools = NDArray[np.bool_]


def sensitivity_threshold(abnormal: Floats, sensitivity: float) -> float:
    """Return the highest threshold that at least a share ``sensitivity`` of the ``abnormal`` scores (n,) exceed.

    Raises:
        UndefinedMetric: there are no abnormal scores.

    >>> threshold = sensitivity_threshold(np.array([0.2, 0.5, 0.6, 0.9]), 0.75)
    >>> bool(0.2 < threshold < 0.5)
    True
    """
    if not len(abnormal):
        raise UndefinedMetric("a threshold for a sensitivity needs abnormal studies in the validation set")
    needed = max(1, int(np.ceil(sensitivity * len(abnormal) - 1e-9)))
    return float(np.nextafter(np.sort(abnormal)[-needed], -np.inf))


def proportion(hits: Bools, clusters: Ints | None = None, confidence: float = CONFIDENCE) -> Interval:
    """Return the share of ``hits`` with Wilson's interval.

    If patients have several cases, N is divided by the design effect if that is above 1 (Rao and Scott, Biometrics
    1992): the variance of the share between patients over that of independent cases.

    Args:
        hits: (N,), whether each case counts.
        clusters: (N,), the number of each case's patient; None if no two cases share one.
        confidence: of the interval, between 0 and 1.

    Raises:
        UndefinedMetric: there are no cases.

    >>> interval = proportion(np.array([True] * 9 + [False]))
    >>> round(interval.low, 3), interval.value, round(interval.high, 3)
    (0.596, 0.9, 0.982)
    """
    from statsmodels.stats.proportion import proportion_confint

    if not len(hits):
        raise UndefinedMetric("a share needs at least one case")
    share = float(hits.mean())
    size = effective_size(hits, clusters)
    low, high = proportion_confint(share * size, size, alpha=1 - confidence, method="wilson")
    return Interval(share, float(low), float(high))


def effective_size(hits: Bools, clusters: Ints | None) -> float:
    """Return the number of independent cases that have the same precision as ``hits`` (N,); N without ``clusters``."""
    owner = cluster_index(clusters, len(hits))
    cases = np.bincount(owner).astype(float)
    groups, share = len(cases), float(hits.mean())
    if groups == len(hits):
        return float(groups)
    if share in (0.0, 1.0) or groups == 1:
        return float(groups)  # without variance, the studies of a patient count as one
    errors = np.bincount(owner, weights=hits) - cases * share
    variance = groups / (groups - 1) * float(np.square(errors).sum()) / len(hits) ** 2
    effect = max(1.0, variance / (share * (1 - share) / len(hits)))
    return len(hits) / effect


def predictive_values(
    sensitivity: Interval,
    specificity: Interval,
    sizes: tuple[float, float],
    prevalence: float,
    confidence: float = CONFIDENCE,
) -> tuple[Interval | None, Interval | None]:
    """Return PPV and NPV for a ``prevalence`` of abnormal studies that may differ from that of the test set.

    The odds of PPV are the odds of the prevalence times the positive likelihood ratio, those of NPV likewise. The
    interval is that of the ratio of two proportions by Koopman's score method. PPV is None if no case is classified as
    abnormal, NPV if none is classified as normal.

    Args:
        sensitivity: as measured on the abnormal cases.
        specificity: as measured on the normal cases.
        sizes: the (effective) numbers of abnormal and normal cases (:func:`effective_size`).
        prevalence: the share of abnormal studies where the model is to be used, between 0 and 1.
        confidence: of the intervals, between 0 and 1.

    >>> measured = Interval(0.9, 0.8, 0.95)
    >>> ppv, npv = predictive_values(measured, measured, (100, 100), prevalence=0.5)
    >>> round(ppv.value, 3), round(npv.value, 3)
    (0.9, 0.9)
    """
    odds = prevalence / (1 - prevalence)
    true_positive_rate, true_negative_rate = sensitivity.value, specificity.value
    ppv = _at_odds(odds, (true_positive_rate, sizes[0]), (1 - true_negative_rate, sizes[1]), confidence)
    npv = _at_odds(1 / odds, (true_negative_rate, sizes[1]), (1 - true_positive_rate, sizes[0]), confidence)
    return ppv, npv


def _at_odds(odds: float, right: tuple[float, float], wrong: tuple[float, float], confidence: float) -> Interval | None:
    """Return ``odds`` times the ratio of two proportions (share, size), as a probability with its interval."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    if right[0] <= 0 and wrong[0] <= 0:
        return None
    counts = (right[0] * right[1], right[1], wrong[0] * wrong[1], wrong[1])
    with np.errstate(divide="ignore"):  # without wrong cases the ratio has no upper end
        low, high = confint_proportions_2indep(*counts, compare="ratio", method="score", alpha=1 - confidence)
    value = odds * right[0] / (odds * right[0] + wrong[0])
    return Interval(value, *(1.0 if np.isinf(end) else float(odds * end / (odds * end + 1)) for end in (low, high)))
