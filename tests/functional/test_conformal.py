"""p-values from held-out normals."""

from __future__ import annotations

import numpy as np
import pytest

from medad.functional.conformal import p_values


def test_by_counting() -> None:
    rng = np.random.default_rng(0)
    calibration, scores = rng.integers(0, 9, 30).astype(float), rng.integers(-1, 11, 50).astype(float)
    counted = [(1 + sum(known >= score for known in calibration)) / 31 for score in scores]
    np.testing.assert_allclose(p_values(scores, calibration), counted, rtol=0, atol=1e-15)


def test_false_alarms_stay_under_alpha() -> None:
    """Over many calibration sets, normals are flagged at 10 % in about 10 % of cases, never systematically more."""
    rng = np.random.default_rng(1)
    rates = [(p_values(rng.exponential(size=200), rng.exponential(size=49)) <= 0.1).mean() for _ in range(400)]
    assert 0.09 < np.mean(rates) <= 0.105


def test_the_smallest_is_one_of_n_plus_one_and_nothing_undefined_comes_out() -> None:
    assert p_values([99.0], range(19))[0] == pytest.approx(0.05)
    assert p_values([-1.0], range(19))[0] == 1
    assert p_values([], [1.0]).shape == (0,)
    for scores, calibration in (([1.0], []), ([float("nan")], [1.0]), ([1.0], [float("nan")])):
        with pytest.raises(ValueError, match="conformal"):
            p_values(scores, calibration)
