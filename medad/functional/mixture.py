"""Estimate how many studies of an archive are abnormal, from its anomaly scores and those of normal studies.

The archive's scores follow a mixture F = (1 - s) F0 + s F1 of normal (F0) and abnormal (F1) ones; s is to be estimated.
In every region A of the score, F(A) >= (1 - s) F0(A), so that 1 - F(A) / F0(A) bounds s from below, whatever F1 is. The
bound is s itself in a region without abnormal studies (F1(A) = 0): the share is identified if there is one, which is
the assumption of irreducibility (Blanchard, Lee and Scott, Journal of Machine Learning Research 11, 2010). As abnormal
studies score high, A is "at most a quantile of the normal scores". With the median this is the estimate of Storey
(Journal of the Royal Statistical Society B 64, 2002) from p-values.

The estimate and the upper end of its interval are those of the region up to the median: they hold if no abnormal study
scores below the median normal, and underestimate s otherwise. The lower end is the highest of several regions
(Bonferroni), and needs no assumption. Intervals of the ratio of two proportions are Koopman's score intervals.

In simulations (400 draws each) with normally distributed scores whose means differ by 5 or 3 standard deviations,
95 % intervals contained shares of 0 to 0.6 in 95 % to 98 %; ``tests/functional/test_mixture.py`` repeats it.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from medad.functional.intervals import CONFIDENCE, Floats, Interval, Ints, UndefinedMetric
from medad.functional.proportions import effective_size

REGIONS = (0.5, 0.75, 0.9)  # quantiles of the normal scores; the first one gives the estimate
LEAST_STUDIES = 20  # of either kind
CROSS_FITTED = 2.0  # design effect of cross-fitted scores


def abnormal_share(
    normal: Floats,
    archive: Floats,
    normal_patients: Ints | None = None,
    archive_patients: Ints | None = None,
    *,
    design_effect: float = 1.0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return the share of abnormal studies in an archive with its interval; all three values are in 0 to 1.

    Args:
        normal: Scores (n,) of normal studies that are comparable with the archive's.
        archive: Scores (N,) of the archive's studies; higher is more abnormal.
        normal_patients: The patient of each normal study, (n,); without, each study counts as a patient.
        archive_patients: The patient of each study of the archive, (N,).
        design_effect: The number by which sample sizes are divided. Scores of classifiers that were cross-fitted
            depend on each other, as each one learned from the studies that the others judge. Where the classes do not
            differ this doubles the variance of a sum of cross-fitted scores: use ``CROSS_FITTED``.
        confidence: The confidence of the interval.

    Raises:
        UndefinedMetric: there are fewer than 20 normal studies or studies in the archive, or a score is not finite.
    """
    if min(len(normal), len(archive)) < LEAST_STUDIES:
        raise UndefinedMetric(
            f"the share of abnormal studies needs at least {LEAST_STUDIES} normal studies and as many in the archive; "
            f"there are {len(normal)} and {len(archive)}"
        )
    if not (np.isfinite(normal).all() and np.isfinite(archive).all()):
        raise UndefinedMetric("a score is not finite")
    lows, estimates, highs = [], [], []
    for place, quantile in enumerate(REGIONS):
        limit = np.sort(normal)[ceil(quantile * len(normal)) - 1]
        inside, expected = archive <= limit, normal <= limit
        sizes = (
            effective_size(inside, archive_patients) / design_effect,
            effective_size(expected, normal_patients) / design_effect,
        )
        shares = float(inside.mean()), float(expected.mean())
        one_sided = (1 - confidence) / 2
        lows.append(_bounds(shares, sizes, one_sided / len(REGIONS))[0])
        if place == 0:
            estimates.append(1 - shares[0] / shares[1])
            highs.append(_bounds(shares, sizes, one_sided)[1])
    low = max(0.0, *lows)
    high = max(low, *highs)
    return Interval(min(max(estimates[0], low), high), low, high)


def _bounds(shares: tuple[float, float], sizes: tuple[float, float], one_sided: float) -> tuple[float, float]:
    """Return the bounds of 1 - shares[0] / shares[1], each missed with probability ``one_sided``."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    if shares[0] == shares[1] == 1:  # all scores are equal
        return 0.0, 1.0
    counts = (shares[0] * sizes[0], sizes[0], shares[1] * sizes[1], sizes[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = confint_proportions_2indep(*counts, compare="ratio", method="score", alpha=2 * one_sided)
    return 1 - float(high), 1 - float(low)


def false_discovery_rates(p: Floats, abnormal: float) -> Floats:
    """Return for each study the expected share of normal studies among it and all with lower p-values, (N,).

    These are q-values (Storey 2002) for the share ``abnormal`` of abnormal studies. ``p`` (N,) are the p-values of the
    archive's studies among normal ones.

    >>> false_discovery_rates(np.array([0.01, 0.5, 0.02, 1.0]), 0.5).round(3).tolist()
    [0.02, 0.333, 0.02, 0.5]
    """
    order = np.argsort(p, kind="stable")
    rates = (1 - abnormal) * p[order] * len(p) / np.arange(1, len(p) + 1)
    falling = np.minimum.accumulate(rates[::-1])[::-1]
    q = np.empty(len(p))
    q[order] = np.minimum(falling, 1.0)
    return q
