"""Estimate the ratio of two densities by a regularized linear classifier, and a whitening of one of them.

A classifier of samples of q against samples of p estimates log(q / p) up to a constant (Sugiyama, Suzuki and Kanamori,
Density Ratio Estimation in Machine Learning, 2012, chapter 4). If p are normal scans and q is an archive, which
contains normal scans too, the ratio increases with the share of abnormal scans at a point of the feature space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medad.functional.intervals import UndefinedMetric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST_SCALE = 1e-6  # a feature with a smaller standard deviation is not scaled


@dataclass(frozen=True)
class LinearRatio:
    """``weights`` (D,) and ``bias`` of log(q / p) as a linear function of standardized features."""

    weights: Floats
    bias: float


def fit_ratio(features: Floats, from_archive: Ints, strength: float) -> LinearRatio:
    """Fit ridge logistic regression of archive against normal; both classes weigh the same, whatever their sizes.

    Args:
        features: (N, D), standardized.
        from_archive: (N,), 1 for a sample of the archive and 0 for a normal one.
        strength: scikit-learn's C, the inverse of the penalty.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000, tol=1e-5)
    model.fit(features, from_archive)
    return LinearRatio(model.coef_[0].astype(np.float64), float(model.intercept_[0]))


def cross_validated_aucs(
    features: Floats, from_archive: Ints, groups: Ints, strengths: Sequence[float], folds: int, seed: int
) -> Floats:
    """Return the AUC (S, F) of archive against normal for each of S ``strengths`` on F folds of held-out groups.

    No group (patient) is on both sides of a fold, and no disease label is used. Folds with a single class are left out,
    so F may be 0.

    Args:
        features: (N, D), standardized.
        from_archive: (N,), 1 for a sample of the archive and 0 for a normal one.
        groups: (N,), the number of each sample's patient.
        strengths: inverse penalties, scikit-learn's C.
        folds: at most so many folds; fewer if there are fewer patients.
        seed: of the assignment of patients to folds.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold

    folds = min(folds, len(np.unique(groups)))
    aucs: list[list[float]] = []
    if folds < 2:
        return np.empty((len(strengths), 0))
    for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(features, from_archive, groups):
        if len(np.unique(from_archive[train])) < 2 or len(np.unique(from_archive[test])) < 2:
            continue
        ratios = [fit_ratio(features[train], from_archive[train], strength) for strength in strengths]
        aucs.append([float(roc_auc_score(from_archive[test], features[test] @ ratio.weights)) for ratio in ratios])
    return np.array(aucs).reshape(-1, len(strengths)).T


def choose_strength(aucs: Floats) -> int:
    """Return which of S strengths, sorted from strong to weak regularization, to use, given their AUCs (S, F).

    It is the strongest regularization whose mean AUC is within one standard error of the best mean: the best mean alone
    is decided by noise (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, section 3.4.3).
    Without folds it is the middle one.
    """
    folds = aucs.shape[1]
    if not folds:
        return len(aucs) // 2
    means = aucs.mean(axis=1)
    best = int(means.argmax())
    error = float(aucs[best].std(ddof=1)) / folds**0.5 if folds > 1 else 0.0
    return next(place for place in range(len(means)) if means[place] >= means[best] - error)


def cross_fitted_scores(
    features: Floats, from_archive: Ints, groups: Ints, strength: float, folds: int, seed: int
) -> Floats:
    """Return for each of N samples the score (N,) of a classifier that has learned no sample of its group (patient).

    The groups are divided into ``folds`` parts with about equal shares of the archive; each part is scored by the
    classifier (:func:`fit_ratio`) of the others. To make parts comparable, a score is expressed as the distance from
    the median of its part's normals, in interquartile ranges of these.

    Args:
        features: The features (N, D), not standardized.
        from_archive: 0 (normal) or 1 (archive) for each sample, (N,).
        groups: The patient of each sample, (N,).
        strength: scikit-learn's C.
        folds: The number of parts; fewer if there are fewer groups.
        seed: The seed of the division.

    Raises:
        UndefinedMetric: normals or archive have fewer than 2 patients, or all of one kind lie in one part.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    patients = [len(np.unique(groups[from_archive == kind])) for kind in (0, 1)]
    if min(patients) < 2:
        raise UndefinedMetric(
            f"cross-fitting needs 2 patients of the normals and 2 of the archive; there are {patients[0]} and "
            f"{patients[1]}"
        )
    scores = np.empty(len(features))
    parts = StratifiedGroupKFold(min(folds, *patients), shuffle=True, random_state=seed)
    for train, test in parts.split(features, from_archive, groups):
        normals = from_archive[test] == 0
        if len(np.unique(from_archive[train])) < 2 or not normals.any():
            raise UndefinedMetric("the patients cannot be divided into parts with normals and archive in each")
        center, scale = features[train].mean(axis=0), features[train].std(axis=0)
        scale[scale < LEAST_SCALE] = 1.0
        ratio = fit_ratio((features[train] - center) / scale, from_archive[train], strength)
        values = ((features[test] - center) / scale) @ ratio.weights
        quarters = np.percentile(values[normals], [25, 50, 75])
        scores[test] = (values - quarters[1]) / ((quarters[2] - quarters[0]) or 1.0)
    return scores


def bootstrap_groups(groups: Ints, rng: np.random.Generator) -> Ints:
    """Return the indices of a bootstrap sample that draws whole groups (patients) with replacement."""
    order = np.argsort(groups, kind="stable")
    names, starts = np.unique(groups[order], return_index=True)
    members = np.split(order, starts[1:])
    drawn = rng.integers(0, len(names), len(names))
    return np.concatenate([members[index] for index in drawn]).astype(np.int64)


def whitening(features: Floats) -> tuple[Floats, Floats]:
    """Return the mean (D,) of ``features`` (N, D) and W (D, D) so that (x - mean) @ W has unit covariance.

    The covariance is shrunk (Ledoit and Wolf, Journal of Multivariate Analysis 2004): D may exceed N.
    """
    from sklearn.covariance import ledoit_wolf

    mean = features.mean(axis=0)
    covariance, _ = ledoit_wolf(features - mean, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    return mean, vectors / np.sqrt(np.maximum(values, 1e-8 * max(values.max(), 1e-12)))
