"""The ratio of archive to normals, and the distance from the normals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from medad.functional.density_ratio import (
    bootstrap_groups,
    choose_strength,
    cross_fitted_scores,
    cross_validated_aucs,
    fit_ratio,
    whitening,
)
from medad.functional.intervals import UndefinedMetric


def two_groups(shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [60, 40])
    features = rng.normal(size=(100, 4))
    features[labels == 1, 0] += shift
    return features, labels


def test_the_classifier_is_the_minimum_of_the_penalized_loss() -> None:
    """By another route: the balanced logistic loss and the ridge penalty, written out and minimized."""
    features, labels = two_groups(1.0)
    signs = 2 * labels - 1
    balance = np.where(labels == 1, 100 / (2 * 40), 100 / (2 * 60))

    def loss(values: np.ndarray) -> float:
        margins = signs * (features @ values[:4] + values[4])
        return 0.1 * float(balance @ np.logaddexp(0, -margins)) + 0.5 * float(values[:4] @ values[:4])

    expected = minimize(loss, np.zeros(5), tol=1e-12).x
    ratio = fit_ratio(features, labels, 0.1)
    np.testing.assert_allclose([*ratio.weights, ratio.bias], expected, atol=1e-4)


def test_a_gaussian_shift_is_its_log_ratio() -> None:
    """For N(1, 1) against N(0, 1) the log ratio is x - 1/2."""
    rng = np.random.default_rng(3)
    features = np.concatenate([rng.normal(0, 1, 20_000), rng.normal(1, 1, 20_000)])[:, None]
    ratio = fit_ratio(features, np.repeat([0, 1], 20_000), 1.0)
    assert ratio.weights[0] == pytest.approx(1.0, abs=0.04)
    assert ratio.bias == pytest.approx(-0.5, abs=0.03)


def test_what_tells_patients_and_not_groups_apart_is_not_rewarded() -> None:
    """Each patient has a mark of its own; with images of one patient on both sides of a fold it would look perfect."""
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(20), 10)
    labels = (patients % 2).astype(np.int64)
    marks = rng.normal(size=(20, 30))[patients] + rng.normal(scale=0.01, size=(200, 30))
    by_patient = cross_validated_aucs(marks, labels, patients, [1.0], 5, seed=0)
    by_image = cross_validated_aucs(marks, labels, np.arange(200), [1.0], 5, seed=0)
    assert by_patient.shape == by_image.shape == (1, 5)
    assert by_image.mean() > 0.99
    assert by_patient.mean() < 0.8


def test_one_patient_alone_cannot_be_judged() -> None:
    features, labels = two_groups(1.0)
    assert cross_validated_aucs(features, labels, np.zeros(100, np.int64), [1.0, 2.0], 5, 0).shape == (2, 0)


def test_the_strongest_regularization_within_a_standard_error_of_the_best_is_chosen() -> None:
    noise = np.array([-0.04, 0.0, 0.04, -0.02, 0.02])  # standard error 0.0141
    means = np.array([0.70, 0.79, 0.799, 0.80, 0.75])
    assert choose_strength(means[:, None] + noise) == 1
    assert choose_strength(means[:, None] + noise / 100) == 3
    assert choose_strength(means[:, None]) == 3
    assert choose_strength(np.empty((5, 0))) == 2


def test_a_bootstrap_draws_whole_patients() -> None:
    groups = np.array([2, 0, 1, 2, 0, 2])
    drawn = bootstrap_groups(groups, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=6)
    assert counts[0] == counts[3] == counts[5]
    assert counts[1] == counts[4]
    assert counts.sum() == len(drawn) > 0


def test_whitened_features_have_unit_covariance() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(20_000, 3)) @ np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.3]]) + 5
    mean, whitener = whitening(features)
    np.testing.assert_allclose(np.cov((features - mean) @ whitener, rowvar=False), np.eye(3), atol=0.02)


def test_more_features_than_images() -> None:
    mean, whitener = whitening(np.random.default_rng(2).normal(size=(6, 40)))
    assert np.isfinite(whitener).all()
    assert mean.shape == (40,)


def test_cross_fitted_scores_are_those_of_classifiers_without_the_patient() -> None:
    """Each score is found again by a classifier of all other folds, and a memorizing one would separate noise."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(90, 200))
    labels = np.repeat([0, 1], 45)
    groups = np.arange(90) // 3
    scores = cross_fitted_scores(features, labels, groups, 10.0, 5, 0)
    learned = fit_ratio(features, labels, 10.0)
    assert roc_auc_score(labels, features @ learned.weights) == 1
    assert roc_auc_score(labels, scores) < 0.75
    features[labels == 1, :20] += 2
    assert roc_auc_score(labels, cross_fitted_scores(features, labels, groups, 10.0, 5, 0)) > 0.9


def test_a_patient_of_both_kinds_is_in_one_part() -> None:
    """Copies of one patient's scan, among normals and archive: a classifier that had learned a copy would know it."""
    rng = np.random.default_rng(6)
    features = rng.normal(size=(40, 300))
    features = np.concatenate([features, features + 1e-3 * rng.normal(size=features.shape)])
    labels = np.repeat([0, 1], 40)
    groups = np.tile(np.arange(40), 2)
    scores = cross_fitted_scores(features, labels, groups, 1.0, 4, 0)
    assert np.abs(scores[:40] - scores[40:]).max() < 0.1  # equal scans have equal scores, whichever kind they are


def test_cross_fitting_needs_two_patients_of_each_kind() -> None:
    features = np.random.default_rng(7).normal(size=(20, 3))
    labels = np.repeat([0, 1], 10)
    with pytest.raises(UndefinedMetric, match="2 patients"):
        cross_fitted_scores(features, labels, np.repeat([0, 1], 10), 1.0, 5, 0)
