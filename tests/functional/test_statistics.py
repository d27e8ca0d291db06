"""AUC, AP and shares with their intervals and tests, against independent routes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from statsmodels.stats.nonparametric import rank_compare_2indep

from medad.functional.bootstrap import ap_draws, bootstrap_intervals, compare_aps, curve_metrics, resample_counts
from medad.functional.delong import auc_covariance, auc_interval, compare_aucs
from medad.functional.intervals import Difference, Floats, Ints, UndefinedMetric
from medad.functional.means import mean_interval
from medad.functional.proportions import predictive_values, proportion, sensitivity_threshold


def cases(
    n_abnormal: int = 30, n_normal: int = 40, columns: int = 2, seed: int = 0, ties: bool = False
) -> tuple[Ints, Floats]:
    """Labels (N,) in mixed order, and correlated scores (N, columns), the first column the better."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [n_abnormal, n_normal]))
    shared = rng.normal(0, 1, (len(labels), 1))
    scores = shared + rng.normal(0, 0.7, (len(labels), columns)) + labels[:, None] * np.linspace(1.5, 0.5, columns)
    return labels, np.round(scores) if ties else scores


def patients(n_patients: int = 25, seed: int = 0) -> tuple[Ints, Floats, Ints]:
    """Studies of patients who have one to five, of both classes, with a shared part in their scores."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(n_patients), rng.integers(1, 6, n_patients))
    labels = (rng.random(len(owner)) < 0.45).astype(np.int64)
    scores = rng.normal(0, 1, n_patients)[owner] + rng.normal(0, 0.5, len(owner)) + labels
    return labels, scores[:, None], owner


def compared_aps(labels: Ints, first: Floats, second: Floats, resamples: int, seed: int = 0) -> Difference:
    """Both APs in the same resamples, and their difference."""
    draws = [
        ap_draws(labels, scores, rng=np.random.default_rng(seed), resamples=resamples) for scores in (first, second)
    ]
    return compare_aps(*draws)


def pairs_right(labels: Ints, scores: Floats) -> NDArray[np.float64]:
    """For each (abnormal, normal) pair: 1 ranked right, 0 wrong, 0.5 tied."""
    gap = scores[labels == 1][:, None] - scores[labels == 0][None]
    return np.where(gap == 0, 0.5, (gap > 0).astype(float))


@pytest.mark.parametrize("ties", [False, True])
def test_auc_is_the_share_of_pairs_ranked_right(ties: bool) -> None:
    labels, scores = cases(ties=ties)
    aucs, _ = auc_covariance(labels, scores)
    for column in range(2):
        assert aucs[column] == pytest.approx(pairs_right(labels, scores[:, column]).mean(), abs=1e-12)
        assert aucs[column] == pytest.approx(roc_auc_score(labels, scores[:, column]), abs=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_delong_covariance_is_that_of_the_structural_components(ties: bool) -> None:
    labels, scores = cases(ties=ties, columns=3)
    right = [pairs_right(labels, column) for column in scores.T]
    of_abnormal = np.cov([one.mean(axis=1) for one in right]) / (labels == 1).sum()
    of_normal = np.cov([one.mean(axis=0) for one in right]) / (labels == 0).sum()
    np.testing.assert_allclose(auc_covariance(labels, scores)[1], of_abnormal + of_normal, atol=1e-14)


@pytest.mark.parametrize("ties", [False, True])
def test_delong_variance_is_that_of_statsmodels(ties: bool) -> None:
    """Brunner and Munzel's variance of P(x > y) + P(x = y) / 2 in another library, by ranks of its own."""
    labels, scores = cases(ties=ties, columns=1)
    other = rank_compare_2indep(scores[labels == 1, 0], scores[labels == 0, 0])
    aucs, covariance = auc_covariance(labels, scores)
    assert aucs[0] == pytest.approx(other.prob1, abs=1e-12)
    assert covariance[0, 0] == pytest.approx(other.var_prob, rel=1e-9)


def test_delong_covariance_is_near_that_of_a_bootstrap() -> None:
    labels, scores = cases(80, 120)
    rng = np.random.default_rng(1)
    groups = [np.flatnonzero(labels == label) for label in (0, 1)]
    drawn = []
    for _ in range(1500):
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn.append(auc_covariance(labels[chosen], scores[chosen])[0])
    np.testing.assert_allclose(auc_covariance(labels, scores)[1], np.cov(np.array(drawn).T), rtol=0.15)


def test_clustered_variance_is_near_that_of_a_bootstrap_of_patients_and_not_of_cases() -> None:
    labels, scores, owner = patients(150)
    rng = np.random.default_rng(2)
    members = [np.flatnonzero(owner == one) for one in range(150)]
    drawn = [np.concatenate([members[one] for one in rng.integers(0, 150, 150)]) for _ in range(1500)]
    truth = float(np.var([auc_covariance(labels[rows], scores[rows])[0][0] for rows in drawn]))
    clustered = float(auc_covariance(labels, scores, owner)[1][0, 0])
    assert clustered == pytest.approx(truth, rel=0.2)
    doubled = np.repeat(np.arange(len(labels)), 2)  # each study twice: no new patient, no new knowledge
    twice = auc_covariance(labels[doubled], scores[doubled], owner[doubled])[1][0, 0]
    assert twice == pytest.approx(clustered, rel=1e-9)
    assert auc_covariance(labels[doubled], scores[doubled])[1][0, 0] < 0.6 * clustered


def test_a_patient_for_each_case_changes_nothing() -> None:
    labels, scores = cases()
    alone = np.random.default_rng(0).permutation(len(labels))
    np.testing.assert_allclose(auc_covariance(labels, scores, alone)[1], auc_covariance(labels, scores)[1], atol=1e-15)


def test_several_columns_are_judged_by_their_mean_auc() -> None:
    labels, scores = cases(columns=3)
    found = auc_interval(labels, scores)
    assert found.value == pytest.approx(np.mean([roc_auc_score(labels, column) for column in scores.T]))
    assert found.low < found.value < found.high
    same = auc_interval(labels, np.repeat(scores[:, :1], 3, axis=1))
    one = auc_interval(labels, scores[:, :1])
    assert (same.value, same.low, same.high) == pytest.approx((one.value, one.low, one.high))


@pytest.mark.parametrize(("auc", "sign"), [(1.0, 1), (0.0, -1), (0.5, 0)])
def test_an_auc_without_variance_has_an_interval_all_the_same(auc: float, sign: int) -> None:
    labels = np.repeat([1, 0], [12, 15])
    found = auc_interval(labels, sign * labels[:, None].astype(float))
    assert found.value == auc
    assert 0 <= found.low <= auc <= found.high <= 1
    assert 0.1 < found.high - found.low < 0.6


def test_paired_test_of_aucs() -> None:
    labels, scores = cases(60, 60)
    first, second = scores[:, :1], scores[:, 1:]
    found = compare_aucs(labels, first, second)
    aucs, covariance = auc_covariance(labels, scores)
    z = (aucs[0] - aucs[1]) / (covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]) ** 0.5
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert found.low < found.difference == found.first - found.second < found.high
    swapped = compare_aucs(labels, second, first)
    assert (swapped.difference, swapped.p) == (-found.difference, pytest.approx(found.p))
    same = compare_aucs(labels, first, 3 * first + 1)
    assert (same.difference, same.p) == (0, 1)
    alone = 2 * stats.norm.sf(abs(aucs[0] - aucs[1]) / (covariance[0, 0] + covariance[1, 1]) ** 0.5)
    assert found.p < alone, "pairing must use the correlation"


def test_paired_tests_reject_as_often_as_they_say_when_nothing_differs() -> None:
    """Under no difference, p below 0.05 in about 5 % of 300 studies: 2.5 % to 8.5 % is the binomial's 98 %."""
    rng = np.random.default_rng(5)
    labels = np.repeat([1, 0], [60, 60])
    aucs, aps = [], []
    for _ in range(300):
        shared = rng.normal(0, 1, (120, 1)) + labels[:, None]
        scores = shared + rng.normal(0, 0.8, (120, 2))
        aucs.append(compare_aucs(labels, scores[:, :1], scores[:, 1:]).p)
        aps.append(compared_aps(labels, scores[:, :1], scores[:, 1:], 300, int(rng.integers(2**32))).p)
    assert 0.025 <= np.mean(np.array(aucs) < 0.05) <= 0.085
    assert 0.02 <= np.mean(np.array(aps) < 0.05) <= 0.085


@pytest.mark.parametrize("ties", [False, True])
def test_metrics_of_a_resample_are_those_of_scikit_learn(ties: bool) -> None:
    labels, scores = cases(ties=ties, columns=1)
    counts = next(resample_counts(labels, None, 5, np.random.default_rng(0)))
    for row, (ap, f1_max) in zip(counts, curve_metrics(labels, scores[:, 0], counts), strict=True):
        drawn = np.repeat(np.arange(len(labels)), row)
        assert ap == pytest.approx(average_precision_score(labels[drawn], scores[drawn, 0]), abs=1e-12)
        precision, recall, _ = precision_recall_curve(labels[drawn], scores[drawn, 0])
        assert f1_max == pytest.approx(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def test_resamples_keep_patients_whole_and_both_classes() -> None:
    labels, _, owner = patients()
    counts = np.concatenate(list(resample_counts(labels, owner, 50, np.random.default_rng(0))))
    assert counts.shape == (50, len(labels))
    for one in np.unique(owner):
        assert (counts[:, owner == one] == counts[:, owner == one][:, :1]).all()
    assert ((counts * labels).sum(axis=1) > 0).all()
    assert ((counts * (1 - labels)).sum(axis=1) > 0).all()
    by_class = np.concatenate(list(resample_counts(labels, None, 50, np.random.default_rng(0))))
    assert (by_class[:, labels == 1].sum(axis=1) == labels.sum()).all()
    assert len({tuple(row) for row in by_class}) == 50


def test_a_bootstrap_of_2000_cases_is_quick_and_repeats_with_its_seed() -> None:
    labels, scores = cases(1000, 1000, columns=1)
    began = time.process_time()
    first = bootstrap_intervals(labels, scores, rng=np.random.default_rng(0))
    assert time.process_time() - began < 4  # about 0.5 s on a quiet machine
    assert first == bootstrap_intervals(labels, scores, rng=np.random.default_rng(0))
    assert first["ap"].value == pytest.approx(average_precision_score(labels, scores[:, 0]))
    assert first["ap"].low < first["ap"].value < first["ap"].high


def test_resampling_patients_widens_what_their_studies_share() -> None:
    labels, scores, owner = patients(60)
    rows = np.repeat(np.arange(len(labels)), 3)
    width = {}
    for name, clusters in (("patients", owner[rows]), ("cases", None)):
        found = bootstrap_intervals(labels[rows], scores[rows], clusters, rng=np.random.default_rng(0))["ap"]
        width[name] = found.high - found.low
    assert width["patients"] > 1.5 * width["cases"]


def test_the_p_value_of_ap_is_not_below_what_the_resamples_allow() -> None:
    labels, scores = cases(40, 40)
    far = np.stack([scores[:, 0] + 9 * labels, -scores[:, 1]], axis=1)
    found = compared_aps(labels, far[:, :1], far[:, 1:], 199)
    assert found.p == pytest.approx(2 / 200)
    assert found.first == 1
    same = compared_aps(labels, scores[:, :1], scores[:, :1], 199)
    assert (same.difference, same.p) == (0, 1)


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [
        ([1, 1], [1.0, 2.0], "0 and 2"),
        ([0, 0, 0], [1.0, 2.0, 3.0], "3 and 0"),
        ([1, 0, 0, 1], [1.0, np.nan, np.inf, 0.0], "2 of 4 cases have no finite score"),
    ],
)
def test_what_the_cases_do_not_define_is_an_error(labels: list[int], scores: list[float], said: str) -> None:
    known, column = np.array(labels), np.array(scores)[:, None]
    rng = np.random.default_rng(0)
    for metric in (
        lambda: auc_interval(known, column),
        lambda: compare_aucs(known, column, column),
        lambda: bootstrap_intervals(known, column, rng=rng),
        lambda: ap_draws(known, column, rng=rng),
    ):
        with pytest.raises(UndefinedMetric, match=said):
            metric()


def test_an_interval_needs_two_patients_in_each_class() -> None:
    labels, scores = np.array([1, 0, 0]), np.array([[1.0], [0.0], [2.0]])
    with pytest.raises(UndefinedMetric, match=r"2 normal patients; there are \[1, 2\]"):
        auc_interval(labels, scores)
    perfect = np.array([[1.0], [1.0], [0.0], [0.0]])
    with pytest.raises(UndefinedMetric, match="without any variance"):
        compare_aucs(np.array([1, 1, 0, 0]), perfect, -perfect)
    with pytest.raises(ValueError, match=r"\(N, M\)"):
        auc_covariance(labels, scores[:, 0])


def wilson(share: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    center, half = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)


@pytest.mark.parametrize(("hits", "n"), [(0, 9), (9, 9), (7, 30), (500, 1000)])
def test_shares_have_the_interval_of_wilson(hits: int, n: int) -> None:
    found = proportion(np.arange(n) < hits)
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx(wilson(hits / n, n), abs=1e-6)


def test_studies_of_one_patient_count_less() -> None:
    rng = np.random.default_rng(0)
    of_patient = rng.random(40) < 0.7
    hits, owner = np.repeat(of_patient, 3), np.repeat(np.arange(40), 3)
    found, single = proportion(hits, owner), proportion(of_patient)
    assert found.value == single.value
    assert found.high - found.low == pytest.approx(single.high - single.low, rel=0.05)
    always = proportion(np.ones(30, bool), np.repeat(np.arange(10), 3))
    assert always.low == pytest.approx(wilson(1, 10)[0], abs=1e-6)


def test_predictive_values_are_those_of_bayes_and_their_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(3)
    true_sens, true_spec, prevalence = 0.8, 0.9, 0.05
    ppv = true_sens * prevalence / (true_sens * prevalence + (1 - true_spec) * (1 - prevalence))
    npv = true_spec * (1 - prevalence) / (true_spec * (1 - prevalence) + (1 - true_sens) * prevalence)
    held = np.zeros(2)
    for _ in range(400):
        sens, spec = proportion(rng.random(60) < true_sens), proportion(rng.random(80) < true_spec)
        found = predictive_values(sens, spec, (60, 80), prevalence)
        for place, (one, truth) in enumerate(zip(found, (ppv, npv), strict=True)):
            assert one is not None
            held[place] += one.low <= truth <= one.high
            assert one.low <= one.value <= one.high
    assert (held / 400 > 0.90).all()
    assert (held / 400 < 0.985).all()
    exact = predictive_values(proportion(np.arange(10) < 8), proportion(np.arange(10) < 9), (10, 10), prevalence)
    assert exact[0] is not None
    assert exact[1] is not None
    assert (exact[0].value, exact[1].value) == pytest.approx((ppv, npv))


def test_predictive_values_at_the_ends() -> None:
    nothing, everything = proportion(np.zeros(20, bool)), proportion(np.ones(20, bool))
    ppv, npv = predictive_values(nothing, everything, (20, 20), 0.1)
    assert ppv is None
    assert npv is not None
    assert npv.value == pytest.approx(0.9)
    ppv, npv = predictive_values(everything, everything, (20, 20), 0.1)
    assert ppv is not None
    assert (ppv.value, ppv.high) == (1, 1)
    assert 0.1 < ppv.low < 1


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 1.0])
def test_the_threshold_for_a_sensitivity_is_the_highest_that_reaches_it(level: float) -> None:
    abnormal = np.round(np.random.default_rng(0).normal(0, 2, 40), 1)
    threshold = sensitivity_threshold(abnormal, level)
    assert (abnormal > threshold).mean() >= level
    higher = abnormal[abnormal > threshold].min()
    assert (abnormal > higher).mean() < level
    with pytest.raises(UndefinedMetric, match="abnormal studies in the validation set"):
        sensitivity_threshold(np.array([]), level)


def test_the_mean_over_studies_has_the_interval_of_student() -> None:
    values = np.random.default_rng(3).normal(0.6, 0.1, 40)
    found = mean_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), expected.low, expected.high))


def test_the_mean_of_studies_of_one_patient_is_as_sure_as_one_study_of_each() -> None:
    values = np.random.default_rng(3).normal(0.6, 0.1, 40)
    alone, twice = mean_interval(values), mean_interval(np.repeat(values, 2), np.repeat(np.arange(40), 2))
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high))
    with pytest.raises(UndefinedMetric, match="needs 2 patients; there are 1"):
        mean_interval(values, np.zeros(40, np.int64))
