"""Percentile bootstrap of AP and F1-max, stratified by class and clustered by patient.

A resample is represented by a count for each case, so that the cases are sorted only once. AP is the sum over
thresholds of the step in recall times the precision, as in scikit-learn. F1-max is the F1 at the best threshold of each
resample.

In simulations with 800 samples from normal distributions, 95 % intervals of AP contained the true AP in 92 % to 95 %
with at least 50 abnormal cases, but in 88 % with 20 + 20 cases and in 90 % at an AP of 0.97. Intervals from few cases
should therefore be interpreted with care.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medad.functional.intervals import CONFIDENCE, Difference, Floats, Interval, Ints, check_cases, cluster_index

RESAMPLES = 2000
AT_ONCE = 2_000_000  # counts that are in memory at a time
NAMES = ("ap", "f1_max")


def resample_counts(labels: Ints, clusters: Ints | None, resamples: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Yield how often each case is drawn, in blocks (b, N) with ``resamples`` rows in total.

    Patients are drawn with all their cases, within strata (patients with normal cases only, abnormal only, both), so
    that each resample has both classes.

    Args:
        labels: (N,), 1 for an abnormal case and 0 for a normal one.
        clusters: (N,), the number of each case's patient; None if no two cases share one.
        resamples: the number of resamples.
        rng: the source of the randomness.

    >>> rng = np.random.default_rng(0)
    >>> (counts,) = resample_counts(np.array([0, 0, 1]), None, 4, rng)
    >>> counts.shape, counts.sum(axis=1).tolist()
    ((4, 3), [3, 3, 3, 3])
    """
    owner = cluster_index(clusters, len(labels))
    has = [np.bincount(owner, weights=labels == label) > 0 for label in (0, 1)]
    stratum = has[0] + 2 * has[1]
    strata = [np.flatnonzero(stratum == kind) for kind in (1, 2, 3)]
    step = max(1, AT_ONCE // len(labels))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        counts = np.zeros((rows, len(stratum)), dtype=np.int64)
        for members in strata:
            if len(members):
                drawn = rng.integers(0, len(members), (rows, len(members))) + len(members) * np.arange(rows)[:, None]
                flat = np.bincount(drawn.ravel(), minlength=rows * len(members))
                counts[:, members] = flat.reshape(rows, len(members))
        yield counts[:, owner]


def curve_metrics(labels: Ints, scores: Floats, counts: Ints) -> Floats:
    """Return AP and F1-max (b, 2) of weighted cases.

    Args:
        labels: (N,), 1 for an abnormal case and 0 for a normal one.
        scores: (N,); higher is more abnormal.
        counts: (b, N), how often each case counts in each of b resamples.

    >>> curve_metrics(np.array([0, 1, 1]), np.array([0.1, 0.9, 0.8]), np.ones((1, 3), int)).tolist()
    [[1.0, 1.0]]
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # cases with equal scores change sides together
    drawn = counts[:, order]
    called = drawn.cumsum(axis=1)[:, ends]
    true = (drawn * labels[order]).cumsum(axis=1)[:, ends]
    positives = true[:, -1:]
    precision = true / np.maximum(called, 1)
    ap = (np.diff(true, axis=1, prepend=0) * precision).sum(axis=1) / positives[:, 0]
    f1_max = (2 * true / (called + positives)).max(axis=1)
    return np.stack([ap, f1_max], axis=1)


def _metrics(labels: Ints, scores: Floats, counts: Ints) -> Floats:
    """Return AP and F1-max (b, 2) as the mean over the columns of ``scores`` (N, M)."""
    means: Floats = np.mean([curve_metrics(labels, column, counts) for column in scores.T], axis=0)
    return means


def bootstrap_intervals(
    labels: Ints,
    scores: Floats,
    clusters: Ints | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> dict[str, Interval]:
    """Return "ap" and "f1_max", means over the columns of ``scores``, with their percentile intervals.

    Args:
        labels: (N,), 1 for an abnormal case and 0 for a normal one.
        scores: (N, M), a column for each repetition of the training (networks, seeds); higher is more abnormal.
        clusters: (N,), the number of each case's patient; None if no two cases share one.
        rng: the source of the randomness.
        resamples: the number of resamples.
        confidence: of the intervals, between 0 and 1.

    Raises:
        UndefinedMetric: there is only one class, or a score is not finite.
    """
    check_cases(labels, scores)
    value = _metrics(labels, scores, np.ones((1, len(labels)), dtype=np.int64))[0]
    drawn = [_metrics(labels, scores, counts) for counts in resample_counts(labels, clusters, resamples, rng)]
    low, high = np.quantile(np.concatenate(drawn), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return {name: Interval(float(value[i]), float(low[i]), float(high[i])) for i, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Draws:
    """An AP, and its values in R resamples of the cases, (R,)."""

    value: float
    drawn: Floats


def ap_draws(
    labels: Ints,
    scores: Floats,
    clusters: Ints | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Draws:
    """Return the AP, the mean over the columns of ``scores``, in resamples of the cases.

    Generators with the same seed give the same resamples, so that scores of the same cases can be compared in pairs.

    Args:
        labels: (N,), 1 for an abnormal case and 0 for a normal one.
        scores: (N, M), a column for each repetition of the training (networks, seeds); higher is more abnormal.
        clusters: (N,), the number of each case's patient; None if no two cases share one.
        rng: the source of the randomness.
        resamples: the number of resamples.

    Raises:
        UndefinedMetric: there is only one class, or a score is not finite.
    """
    check_cases(labels, scores)
    value = float(_metrics(labels, scores, np.ones((1, len(labels)), dtype=np.int64))[0, 0])
    drawn = [_metrics(labels, scores, counts)[:, 0] for counts in resample_counts(labels, clusters, resamples, rng)]
    return Draws(value, np.concatenate(drawn))


def compare_aps(first: Draws, second: Draws, confidence: float = CONFIDENCE) -> Difference:
    """Compare two APs by a paired bootstrap; their :func:`ap_draws` must be from the same resamples.

    The p-value is twice the share of resamples in which the difference has the other sign or is 0, with one added to
    both counts; with R resamples it is at least 2 / (R + 1).

    Args:
        first: the AP of one score.
        second: the AP of another score of the same cases.
        confidence: of the interval of the difference, between 0 and 1.
    """
    drawn = first.drawn - second.drawn
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    other_side = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * float(other_side + 1) / (len(drawn) + 1))
    return Difference(first.value, second.value, first.value - second.value, float(low), float(high), p)
