"""The chi-square distance of two groups of scores."""

from __future__ import annotations

import numpy as np
import pytest

from medad.functional.histograms import chi2_distance, unit_scale


def test_equal_groups_have_distance_0_and_disjoint_ones_2() -> None:
    low, high = np.linspace(0, 0.4, 50), np.linspace(0.6, 1, 30)
    assert chi2_distance(low, low) == 0
    assert chi2_distance(low, high) == pytest.approx(2)


def test_a_case_by_hand() -> None:
    """Two bins, p = (3/4, 1/4), q = (1/4, 3/4): each bin gives (1/2)^2 / 1."""
    assert chi2_distance(np.array([0, 0, 0, 1.0]), np.array([0, 1, 1, 1.0]), bins=2) == pytest.approx(0.5)


def test_an_empty_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="both groups"):
        chi2_distance(np.array([]), np.array([0.5]))


def test_scaling_to_the_unit_range() -> None:
    assert unit_scale(np.array([2.0, 4.0, 3.0])).tolist() == [0, 1, 0.5]
    assert unit_scale(np.array([7.0, 7.0])).tolist() == [0, 0]
