"""Conformal p-values: how extreme a score is among held-out normals, with a guarantee whatever the distribution.

If a new normal study is exchangeable with the calibration studies, P(p <= alpha) <= alpha. Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005; Bates et al., Annals of Statistics 51(1), 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def p_values(scores: ArrayLike, calibration: ArrayLike) -> NDArray[np.float64]:
    """p = (1 + #{calibration >= score}) / (n + 1) for each of ``scores`` (N,), given scores of n held-out normals (n,).

    Raises:
        ValueError: there are no calibration scores, or a score is NaN.
    """
    given, known = np.asarray(scores, np.float64), np.sort(np.asarray(calibration, np.float64))
    if not len(known) or np.isnan(known).any() or np.isnan(given).any():
        raise ValueError("conformal p-values need scores that are numbers, and at least one calibration score")
    at_least = len(known) - np.searchsorted(known, given, side="left")
    return np.asarray((1 + at_least) / (len(known) + 1), np.float64)
