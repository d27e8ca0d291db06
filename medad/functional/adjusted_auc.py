"""Adjust an AUC for a covariate: how well a score separates abnormal from normal cases of like covariate.

The covariate-adjusted ROC curve of Janes and Pepe (Biometrika 96:371-382, 2009) places each abnormal case in the
distribution of the normal cases that share its covariate. Its area is the probability that an abnormal case scores
higher than a normal case of the same covariate. Here that distribution is a local linear estimate (Hall, Wolff and Yao,
Journal of the American Statistical Association 94:154-163, 1999) within a window of the covariate's ranks, and a case
weighs as much as it has comparable normal cases.

The estimator was chosen by simulation, 60 to 600 cases of each class whose covariates differ by 0.8 to 2.5 standard
deviations. For a score that equals the covariate, the share of concordant pairs with ranks within 7 % exceeds 0.5 by
0.03 to 0.12, since within a window abnormal cases still have the higher covariates; the local linear estimate differs
from 0.5 by at most 0.003. For a score that does not depend on the covariate, both have no bias and a similar spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medad.functional.bootstrap import RESAMPLES, resample_counts
from medad.functional.delong import newcombe
from medad.functional.intervals import (
    CONFIDENCE,
    Floats,
    Interval,
    Ints,
    UndefinedMetric,
    check_cases,
    cluster_index,
)

WINDOW = 0.1  # largest difference of ranks, as a share of all cases
EACH_SIDE = 3  # normal cases that an abnormal one needs on each side of its covariate, so that nothing is extrapolated
LEAST = 10  # comparable patients of each class
AT_ONCE = 128  # neighboring abnormal cases, whose windows overlap: few normal cases are compared in vain


@dataclass(frozen=True)
class AdjustedAUC:
    """A covariate-adjusted AUC with its interval, and the abnormal cases that it is estimated from."""

    interval: Interval
    comparable: int


@dataclass(frozen=True)
class _Pairs:
    """The pairs of some abnormal cases with the normal cases near them.

    ``cases`` (P,) and ``normal`` (N,) are indices of cases; ``near`` (P, N) is 1 within the window, else 0, and
    ``offset`` (P, N) the difference of the ranks there, in windows.
    """

    cases: Ints
    normal: Ints
    near: NDArray[np.float32]
    offset: NDArray[np.float32]


def adjusted_auc(
    labels: Ints,
    scores: Floats,
    covariate: Floats,
    clusters: Ints | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> AdjustedAUC:
    """Return the covariate-adjusted AUC, the mean over the columns of ``scores`` (N, M), with a bootstrap interval.

    Args:
        labels: 0 (normal) or 1 (abnormal), (N,).
        scores: (N, M), higher is more abnormal.
        covariate: (N,); only its ranks matter.
        clusters: the patient of each case, (N,); patients are resampled with all their cases.
        rng: the source of randomness of the bootstrap.
        resamples: the number of bootstrap samples.
        confidence: of the percentile interval.

    Raises:
        UndefinedMetric: a class is missing, a value is not finite, or too few cases are comparable; the message says
            how many are.
    """
    check_cases(labels, scores)
    check_cases(labels, covariate[:, None])
    rank = stats.rankdata(covariate) / len(covariate)
    comparable = _comparable(labels, rank)
    owner = cluster_index(clusters, len(labels))
    _check_enough(labels, rank, comparable, owner)
    once = np.ones((1, len(labels)), np.float32)
    drawn_counts = (block.astype(np.float32) for block in resample_counts(labels, clusters, resamples, rng))
    counts = np.concatenate([once, *drawn_counts])
    sums = np.zeros((2, len(counts)))
    for pairs in _blocks(labels, rank, comparable):
        sums += _sums(pairs, scores, counts)
    drawn = (sums[0] / np.where(sums[1] > 0, sums[1], np.nan)).clip(0, 1)
    value = float(drawn[0])
    low, high = np.nanquantile(drawn[1:], [(1 - confidence) / 2, (1 + confidence) / 2])
    if high - low < 1e-9:  # the cases show no variance, for example if they are ranked perfectly
        numbers = [len(np.unique(owner[group])) for group in (comparable, np.flatnonzero(labels == 0))]
        low, high = newcombe(value, numbers[0], numbers[1], float(stats.norm.ppf((1 + confidence) / 2)))
    return AdjustedAUC(Interval(value, float(low), float(high)), len(comparable))


def _comparable(labels: Ints, rank: Floats) -> Ints:
    """Return the indices of the abnormal cases with ``EACH_SIDE`` normal ones on each side of them in the window."""
    normal = np.sort(rank[labels == 0])
    cases = np.flatnonzero(labels == 1)
    place = rank[cases]
    below = np.searchsorted(normal, place, "right") - np.searchsorted(normal, place - WINDOW)
    above = np.searchsorted(normal, place + WINDOW, "right") - np.searchsorted(normal, place)
    return cases[(below >= EACH_SIDE) & (above >= EACH_SIDE)].astype(np.int64)


def _check_enough(labels: Ints, rank: Floats, comparable: Ints, owner: Ints) -> None:
    """Check that enough patients of both classes are comparable.

    Raises:
        UndefinedMetric: they are too few.
    """
    normal = np.flatnonzero(labels == 0)
    near = [np.abs(rank[comparable] - rank[case]).min(initial=np.inf) <= WINDOW for case in normal]
    counts = [len(np.unique(owner[group])) for group in (comparable, normal[np.array(near, dtype=bool)])]
    if min(counts) < LEAST:
        raise UndefinedMetric(
            f"only {len(comparable)} of {int(labels.sum())} abnormal cases have normal ones of like covariate "
            f"({counts[0]} and {counts[1]} comparable patients; {LEAST} of each are needed)"
        )


def _blocks(labels: Ints, rank: Floats, comparable: Ints) -> Iterator[_Pairs]:
    """Yield the pairs of ``AT_ONCE`` neighboring abnormal cases at a time."""
    normal = np.flatnonzero(labels == 0)
    normal = normal[np.argsort(rank[normal], kind="stable")]
    cases = comparable[np.argsort(rank[comparable], kind="stable")]
    for start in range(0, len(cases), AT_ONCE):
        block = cases[start : start + AT_ONCE]
        first = np.searchsorted(rank[normal], rank[block[0]] - WINDOW)
        last = np.searchsorted(rank[normal], rank[block[-1]] + WINDOW, "right")
        there = normal[first:last]
        offset = (rank[there][None] - rank[block][:, None]) / WINDOW
        near = (np.abs(offset) <= 1).astype(np.float32)
        yield _Pairs(block, there, near, offset.astype(np.float32) * near)


def _sums(pairs: _Pairs, scores: Floats, counts: NDArray[np.float32]) -> Floats:
    """Return numerator and denominator (2, b) of the adjusted AUC in b samples, which count cases ``counts`` (b, N).

    The weights of the local linear estimate at a case are ``near - slope * offset`` with ``slope`` = m1 / m2, where
    m1 and m2 are the first two moments of the offsets of the normal cases; the case weighs as their sum.
    """
    normal, abnormal = counts[:, pairs.normal], counts[:, pairs.cases]
    above, below = scores[pairs.cases][:, None], scores[pairs.normal][None]
    higher = ((above > below) + 0.5 * (above == below)).mean(axis=2).astype(np.float32)
    first = normal @ pairs.offset.T
    second = normal @ (pairs.offset**2).T
    slope = first / np.where(second > 0, second, 1.0)
    numerator = normal @ (pairs.near * higher).T - slope * (normal @ (pairs.offset * higher).T)
    denominator = normal @ pairs.near.T - slope * first
    return np.stack([(abnormal * numerator).sum(axis=1), (abnormal * denominator).sum(axis=1)])
