"""How many studies of an archive are abnormal: intervals hold the truth as often as they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medad.functional.density_ratio import cross_fitted_scores
from medad.functional.intervals import Interval, UndefinedMetric
from medad.functional.mixture import CROSS_FITTED, abnormal_share, false_discovery_rates

Floats = np.ndarray


def draw(rng: np.random.Generator, share: float, distance: float, normals: int, archive: int) -> tuple[Floats, Floats]:
    """Scores of normals, and of an archive of which each study is abnormal with probability ``share``."""
    abnormal = rng.random(archive) < share
    return rng.normal(size=normals), rng.normal(size=archive) + distance * abnormal


def intervals(draws: int, make: Callable[[np.random.Generator], Interval]) -> Floats:
    rng = np.random.default_rng(0)
    drawn = [make(rng) for _ in range(draws)]
    return np.array([(interval.value, interval.low, interval.high) for interval in drawn])


def check_coverage(share: float, draws: int, sizes: tuple[int, int], distance: float, slack: float) -> None:
    estimates = intervals(draws, lambda rng: abnormal_share(*draw(rng, share, distance, *sizes)))
    covered = ((estimates[:, 1] <= share) & (share <= estimates[:, 2])).mean()
    assert 0.90 - slack <= covered <= 0.98 + slack
    assert abs(estimates[:, 0].mean() - share) < 0.05
    if share == 0:
        assert (estimates[:, 1] == 0).mean() >= 0.95 - slack


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_intervals_hold_the_truth(share: float) -> None:
    check_coverage(share, 150, (200, 150), 4.0, 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2, 0.4, 0.6])
@pytest.mark.parametrize("sizes", [(132, 163), (600, 400)])
@pytest.mark.parametrize("distance", [3.0, 5.0])
def test_intervals_hold_the_truth_in_many_draws(share: float, sizes: tuple[int, int], distance: float) -> None:
    check_coverage(share, 400, sizes, distance, 0.015)


def test_the_lower_end_holds_however_the_distributions_overlap() -> None:
    estimates = intervals(100, lambda rng: abnormal_share(*draw(rng, 0.4, 0.7, 300, 300)))
    assert (estimates[:, 1] <= 0.4).mean() >= 0.95
    assert estimates[:, 0].mean() < 0.3  # a lower bound: faint disease hides among the normals


def test_cross_fitted_scores_of_equal_distributions_show_no_abnormal_study() -> None:
    """Classifiers of different folds share studies: without the design effect, 10 % of lower ends are above 0."""

    def once(rng: np.random.Generator) -> Interval:
        features = rng.normal(size=(140, 60))
        labels, groups = np.repeat([0, 1], 70), np.arange(140)
        scores = cross_fitted_scores(features, labels, groups, 1e-2, 3, int(rng.integers(1000)))
        return abnormal_share(scores[:70], scores[70:], design_effect=CROSS_FITTED)

    assert (intervals(60, once)[:, 1] == 0).mean() >= 0.95


def test_studies_of_one_patient_count_less() -> None:
    rng = np.random.default_rng(1)
    normal, archive = draw(rng, 0.3, 4, 60, 60)
    alone = abnormal_share(normal, archive)
    repeated = np.repeat(normal, 4), np.repeat(archive, 4)
    patients = np.repeat(np.arange(60), 4)
    clustered = abnormal_share(*repeated, patients, patients)
    naive = abnormal_share(*repeated)
    width = alone.high - alone.low
    assert clustered.high - clustered.low == pytest.approx(width, rel=0.05)
    assert naive.high - naive.low < 0.7 * width
    assert clustered.value == pytest.approx(alone.value)


def test_the_scale_of_the_score_does_not_matter() -> None:
    normal, archive = draw(np.random.default_rng(2), 0.3, 3, 80, 90)
    assert abnormal_share(normal, archive) == abnormal_share(np.exp(normal), np.exp(archive))


def test_an_archive_without_normal_scans_and_one_of_equal_scores() -> None:
    rng = np.random.default_rng(3)
    whole = abnormal_share(rng.normal(size=50), rng.normal(9, 1, 50))
    assert whole.value == whole.high == pytest.approx(1)
    assert whole.low > 0.8
    nothing = abnormal_share(np.zeros(30), np.zeros(30))
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 1)


@pytest.mark.parametrize(
    ("normal", "archive", "words"),
    [(np.zeros(19), np.zeros(50), "at least 20"), (np.zeros(30), np.full(30, np.nan), "not finite")],
)
def test_too_few_scores_and_scores_that_are_none(normal: Floats, archive: Floats, words: str) -> None:
    with pytest.raises(UndefinedMetric, match=words):
        abnormal_share(normal, archive)


def test_the_expected_share_of_normals_is_the_true_one() -> None:
    rng = np.random.default_rng(4)
    normal, archive = rng.normal(size=2000), np.concatenate([rng.normal(size=700), rng.normal(2.5, 1, 300)])
    p = (1 + (normal[None] >= archive[:, None]).sum(axis=1)) / 2001
    expected = false_discovery_rates(p, 0.3)
    order = np.argsort(p, kind="stable")
    for first in (100, 200, 400):
        truth = (order[:first] < 700).mean()
        assert expected[order[first - 1]] == pytest.approx(truth, abs=0.05)
    assert (np.diff(expected[order]) >= 0).all()
