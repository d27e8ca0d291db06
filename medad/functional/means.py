"""Mean of a value over studies with its confidence interval, clustered by patient."""

from __future__ import annotations

import numpy as np
from scipy import stats

from medad.functional.intervals import CONFIDENCE, Floats, Interval, Ints, UndefinedMetric, cluster_index


def mean_interval(values: Floats, clusters: Ints | None = None, confidence: float = CONFIDENCE) -> Interval:
    """Return the mean of ``values`` (N,) with Student's t interval; ``clusters`` (N,) are the patients of the studies.

    Raises:
        UndefinedMetric: there are fewer than 2 patients.
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
