"""The covariate-adjusted AUC, simulated: a score that is the covariate gets 0.5, an independent one keeps its AUC."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medad.functional.adjusted_auc import adjusted_auc
from medad.functional.delong import auc_interval
from medad.functional.intervals import Floats, Interval, Ints, UndefinedMetric

SHIFT = 1.0  # of a score that separates by itself, in standard deviations
TRUTH = float(stats.norm.cdf(SHIFT / 2**0.5))


def draw(rng: np.random.Generator, count: int, gap: float, kind: str) -> tuple[Ints, Floats, Floats]:
    """Labels, scores and a covariate that is ``gap`` standard deviations higher in abnormal cases."""
    labels = np.repeat([0, 1], count)
    covariate = rng.normal(0, 1, 2 * count) + gap * labels
    noise = rng.normal(0, 1, 2 * count)
    scores = {
        "covariate": covariate,
        "noisy": covariate + 0.7 * noise,
        "independent": noise + SHIFT * labels,
        "both": 2 * covariate + noise + SHIFT * labels,
    }[kind]
    return labels, scores[:, None], covariate


def estimate(data: tuple[Ints, Floats, Floats], clusters: Ints | None = None, resamples: int = 100) -> Interval:
    rng = np.random.default_rng(0)
    return adjusted_auc(*data, clusters, rng=rng, resamples=resamples).interval


@pytest.mark.parametrize(
    ("kind", "truth", "tolerance"),
    [("covariate", 0.5, 0.005), ("noisy", 0.5, 0.03), ("independent", TRUTH, 0.03), ("both", TRUTH, 0.03)],
)
def test_the_mean_over_simulated_tests(kind: str, truth: float, tolerance: float) -> None:
    rng = np.random.default_rng(1)
    samples = [draw(rng, 100, 1.5, kind) for _ in range(12)]
    values = [estimate(sample, resamples=10).value for sample in samples]
    assert np.mean(values) == pytest.approx(truth, abs=tolerance)
    if kind == "covariate":
        assert np.mean([auc_interval(labels, scores).value for labels, scores, _ in samples]) > 0.8


def test_a_constant_covariate_changes_nothing() -> None:
    labels, scores, _ = draw(np.random.default_rng(2), 40, 0.0, "independent")
    assert estimate((labels, scores, np.zeros(80))).value == pytest.approx(auc_interval(labels, scores).value)


def test_by_hand_within_strata() -> None:
    """A covariate of two values far apart in rank: the mean of the strata's AUCs, weighted by abnormal x normal."""
    rng = np.random.default_rng(3)
    labels, stratum = np.tile([0, 1], 100), np.repeat([0.0, 1.0], 100)
    labels[100:160] = 0
    scores = rng.normal(0, 1, 200) + labels + 5 * stratum
    aucs, weights = [], []
    for value in (0, 1):
        normal, abnormal = (scores[(stratum == value) & (labels == label)] for label in (0, 1))
        aucs.append((abnormal[:, None] > normal[None]).mean())
        weights.append(len(normal) * len(abnormal))
    expected = np.average(aucs, weights=weights)
    assert estimate((labels, scores[:, None], stratum)).value == pytest.approx(expected, abs=1e-6)


def test_only_ranks_of_the_covariate_matter_and_columns_are_averaged() -> None:
    labels, scores, covariate = draw(np.random.default_rng(4), 60, 0.8, "both")
    two = np.concatenate([scores, np.random.default_rng(5).normal(size=scores.shape)], axis=1)
    singles = [estimate((labels, two[:, [place]], covariate)).value for place in (0, 1)]
    assert estimate((labels, two, np.exp(covariate))).value == pytest.approx(np.mean(singles), abs=1e-6)


def test_studies_of_one_patient_widen_the_interval() -> None:
    labels, scores, covariate = draw(np.random.default_rng(6), 60, 0.5, "independent")
    copies = tuple(np.repeat(part, 4, axis=0) for part in (labels, scores, covariate))
    owner = np.repeat(np.arange(120), 4)
    clustered, naive = estimate(copies, owner, 300), estimate(copies, None, 300)
    assert clustered.high - clustered.low > 1.5 * (naive.high - naive.low)


def test_too_few_comparable_cases_are_said_in_words() -> None:
    labels = np.repeat([0, 1], 50)
    covariate = np.random.default_rng(7).normal(0, 1, 100) + 20 * labels
    with pytest.raises(UndefinedMetric, match="only 0 of 50 abnormal cases have normal ones of like covariate"):
        estimate((labels, covariate[:, None], covariate))


def test_perfect_ranks_have_an_interval_of_positive_width() -> None:
    labels, _, covariate = draw(np.random.default_rng(8), 50, 0.5, "independent")
    interval = estimate((labels, labels[:, None].astype(float), covariate))
    assert interval.value == 1
    assert 0.8 < interval.low < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["covariate", "noisy", "independent", "both"])
@pytest.mark.parametrize(("count", "gap"), [(60, 0.0), (60, 1.5), (200, 2.5)])
def test_intervals_hold_the_truth(kind: str, count: int, gap: float) -> None:
    """Of 95 % intervals, 90 % to 100 % hold the truth; those of the covariate itself hold 0.5 always."""
    rng, truth = np.random.default_rng(9), TRUTH if kind in ("independent", "both") else 0.5
    holding = []
    for _ in range(200):
        try:
            interval = estimate(draw(rng, count, gap, kind), resamples=300)
        except UndefinedMetric:
            continue
        holding.append(interval.low <= truth <= interval.high)
    assert len(holding) > 150
    assert np.mean(holding) >= 0.90
