"""Conformal p-values and thresholds: what is promised is kept, and by a count that uses neither."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medad.functional.conformal import conformal_threshold, false_alarm_range, least_normals, p_values
from medad.functional.intervals import UndefinedMetric

ALPHAS = [0.01, 0.05, 0.1, 0.2, 0.29]


def test_a_p_value_counts_the_normals_that_score_as_high() -> None:
    calibration, scores = np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.0, 1.0, 2.0, 2.5, 3.0, 9.0])
    by_hand = [(1 + sum(one >= score for one in calibration)) / 5 for score in scores]
    np.testing.assert_allclose(p_values(calibration, scores), by_hand)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("n", [99, 100, 119, 250])
def test_above_the_threshold_means_a_p_value_of_at_most_alpha(n: int, alpha: float) -> None:
    rng = np.random.default_rng(n)
    calibration = np.round(rng.normal(0, 1, n), 1)  # with ties
    scores = np.concatenate([np.round(rng.normal(0, 2, 500), 1), calibration])
    flagged = scores > conformal_threshold(calibration, alpha)
    np.testing.assert_array_equal(flagged, p_values(calibration, scores) <= alpha)


@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_false_alarms_on_fresh_normals_keep_to_their_limits(alpha: float) -> None:
    """400 models, each with its own held-out normals, and 50 fresh normals each, of a skewed shape."""
    rng = np.random.default_rng(0)
    n, fresh, models = 119, 50, 400
    alarms = np.array(
        [int((rng.gamma(1, 1, fresh) > conformal_threshold(rng.gamma(1, 1, n), alpha)).sum()) for _ in range(models)]
    )
    rank = int(alpha * (n + 1))
    law = stats.betabinom(fresh, rank, n + 1 - rank)
    total, spread = models * law.mean(), (models * law.var()) ** 0.5
    assert abs(alarms.sum() - total) < 2.6 * spread
    assert alarms.sum() / (models * fresh) <= alpha + 2.6 * spread / (models * fresh)
    low, high = law.interval(0.95)
    assert np.mean((alarms >= low) & (alarms <= high)) > 0.92


def test_the_range_of_one_models_false_alarm_rate() -> None:
    rng = np.random.default_rng(1)
    rates = [1 - conformal_threshold(rng.random(119), 0.05) for _ in range(2000)]  # uniform: the rate is 1 - threshold
    low, high = false_alarm_range(119, 0.05)
    assert 0.935 < np.mean((low <= np.array(rates)) & (np.array(rates) <= high)) < 0.965
    assert false_alarm_range(10, 0.05) == (0.0, 0.0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_too_few_normals_are_an_error_that_says_how_many_it_takes(alpha: float) -> None:
    least = least_normals(alpha)
    assert 1 / (least + 1) <= alpha < 1 / least
    conformal_threshold(np.arange(float(least)), alpha)
    with pytest.raises(UndefinedMetric, match=f"at least {least} held-out normals; there are {least - 1}"):
        conformal_threshold(np.arange(float(least - 1)), alpha)
    with pytest.raises(UndefinedMetric, match="there are none"):
        p_values(np.array([]), np.array([1.0]))
