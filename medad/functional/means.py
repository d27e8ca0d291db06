"""Mean of a value over studies with its confidence interval, clustered by patient."""

from __future__ import annotations

import numpy as np
from scipy import stats

from medad.functional.intervals import CONFIDENCE, Floats, Interval, Ints, UndefinedMetric, cluster_index


def mean_interval(values: Floats, clusters: Ints | None = None, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of ``values`` with Student's t interval.

    Args:
        values: (N,), a value for each study.
        clusters: (N,), the number of each study's patient; None if no two studies share one.
        confidence: of the interval, between 0 and 1.

    Raises:
        UndefinedMetric: there are fewer than 2 patients.

    >>> interval = mean_interval(np.array([1.0, 2.0, 3.0]))
    >>> round(interval.low, 2), interval.value, round(interval.high, 2)
    (-0.48, 2.0, 4.48)
    """
    owner = cluster_index(clusters, len(values))
    groups = int(owner.max()) + 1 if len(values) else 0
    if groups < 2:
        raise UndefinedMetric(f"the interval of a mean needs 2 patients; there are {groups}")
    mean = float(values.mean())
    sums = np.bincount(owner, weights=values - mean)
    error = float((groups / (groups - 1) * (sums**2).sum()) ** 0.5) / len(values)
    half = float(stats.t.ppf((1 + confidence) / 2, groups - 1)) * error
    return Interval(mean, mean - half, mean + half)
