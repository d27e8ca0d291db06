"""Measure the distance of two groups of scores by their histograms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 40

Numbers = NDArray[np.float64]


def unit_scale(scores: Numbers) -> Numbers:
    """Scale scores (N,) to [0, 1] by their minimum and maximum; for pictures only. Equal scores become 0."""
    low, high = scores.min(), scores.max()
    scaled: Numbers = (scores - low) / ((high - low) or 1.0)
    return scaled


def chi2_distance(first: Numbers, second: Numbers, bins: int = BINS) -> float:
    """Return the sum of (p - q)^2 / (p + q) over two normalized histograms on [0, 1]: 0 (equal) to 2 (disjoint).

    Args:
        first: (N,), the scores of one group, between 0 and 1.
        second: (M,), those of another group.
        bins: the number of bins of equal width.

    Raises:
        ValueError: a group is empty.

    >>> chi2_distance(np.array([0.1, 0.2]), np.array([0.8, 0.9]))
    2.0
    """
    if not len(first) or not len(second):
        raise ValueError("the chi-square distance needs scores in both groups")
    p, q = (np.histogram(group, bins, range=(0, 1))[0] / len(group) for group in (first, second))
    both = p + q
    return float(np.sum(np.square(p - q)[both > 0] / both[both > 0]))


def overlap(first: Numbers, second: Numbers, bins: int = BINS) -> float:
    """Return the shared area of two normalized histograms over their common range: 0 (disjoint) to 1 (equal).

    Args:
        first: (N,), the numbers of one group.
        second: (M,), those of another group.
        bins: the number of bins of equal width.

    Raises:
        ValueError: a group is empty.

    >>> overlap(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    1.0
    """
    if not len(first) or not len(second):
        raise ValueError("the overlap needs numbers in both groups")
    both = np.concatenate([first, second])
    p, q = (np.histogram(group, bins, range=(both.min(), both.max()))[0] / len(group) for group in (first, second))
    return float(np.minimum(p, q).sum())
