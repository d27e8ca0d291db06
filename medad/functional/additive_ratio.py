"""Tell two groups apart by an additive model of single values: ridge logistic regression on piecewise linear terms.

Each value contributes a piecewise linear function of itself (Hastie and Tibshirani, Generalized Additive Models, 1990),
so that "unusually low or high" can be learned, and the part of each value in the result can be named. Outside the outer
knots the function is constant. By the cross-validated AUC of normals against archive on two public collections, it was
as good as or better than gradient-boosted trees and than a linear model (brain MR .787, .785 and .740; chest
radiographs .694, .658 and .663), and unlike trees or kernels it stores no values of single images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medad.functional.intervals import Floats, Ints

LEVELS = (0.02, 0.25, 0.5, 0.75, 0.98)  # quantiles of the knots: not the extremes, which belong to single images
STRENGTHS = (0.01, 0.1, 1.0)  # inverse regularizations that cross-validation chooses from
STRENGTH = 0.1  # where nothing is chosen
LEAST_SCALE = 1e-9
FOLDS = 5


def knots_of(values: Floats) -> Floats:
    """Return the knots (F, 5) of values (N, F); NaN are missing values, and every column needs a value."""
    knots: Floats = np.nanquantile(values, LEVELS, axis=0).T
    return knots


def additive_terms(values: Floats, knots: Floats) -> Floats:
    """Return the terms (N, 5 F) of values (N, F): four ramps for each value, then whether each value is missing.

    A ramp rises from 0 at a knot to 1 at the next; between equal knots it is a step above them. The ramps of a missing
    value are NaN.
    """
    low, high = knots[:, :-1], knots[:, 1:]
    there = np.isnan(values)[:, :, None]
    deep = np.where(there, 0.0, values[:, :, None])
    width = np.where(high > low, high - low, 1.0)
    ramps = np.where(high > low, ((deep - low) / width).clip(0, 1), (deep > low).astype(np.float64))
    ramps[np.broadcast_to(there, ramps.shape)] = np.nan
    terms: Floats = np.concatenate([ramps.reshape(len(values), -1), there[:, :, 0].astype(np.float64)], axis=1)
    return terms


@dataclass(frozen=True)
class Additive:
    """A linear model of D terms that are standardized by ``center`` and ``scale``, (D,) each.

    ``weights`` (D,) are those of the classifier. Without any (None), :meth:`score` is the mean squared distance from
    ``center``, in standard deviations.
    """

    center: Floats
    scale: Floats
    weights: Floats | None
    bias: float = 0.0

    def standardized(self, terms: Floats) -> Floats:
        """Return ``terms`` (N, D) in standard deviations from ``center``; a missing one is 0."""
        return np.nan_to_num((terms - self.center) / self.scale)

    def score(self, terms: Floats) -> Floats:
        """Return the log odds (N,) of the second group, or the distance from the only group."""
        distances = self.standardized(terms)
        scores: Floats = (distances**2).mean(axis=1) if self.weights is None else distances @ self.weights + self.bias
        return scores


def standardizing(terms: Floats) -> Additive:
    """Return the model without weights whose center and scale are those of ``terms`` (N, D)."""
    there = ~np.isnan(terms)
    count = np.maximum(there.sum(axis=0), 1)
    center = np.nansum(terms, axis=0) / count
    scale = (np.nansum((terms - center) ** 2, axis=0) / count) ** 0.5
    return Additive(center, np.where(scale > LEAST_SCALE, scale, 1.0), None)


def fit_additive(
    terms: Floats, second: Ints, groups: Ints, seed: int, strengths: Sequence[float] = STRENGTHS
) -> Additive:
    """Fit the classifier of the ``second`` (N,) group, 0 or 1, on ``terms`` (N, D).

    The strength is the one whose scores of held-out ``groups`` (patients) have the highest AUC; with fewer than
    ``FOLDS`` groups of a class it is the middle one.
    """
    from sklearn.metrics import roc_auc_score

    base = standardizing(terms)
    standardized = base.standardized(terms)
    strength = strengths[len(strengths) // 2]
    if len(strengths) > 1 and min(len(np.unique(groups[second == side])) for side in (0, 1)) >= FOLDS:
        aucs = [roc_auc_score(second, held_out_scores(terms, second, groups, seed, level)) for level in strengths]
        strength = strengths[int(np.argmax(aucs))]
    weights, bias = _classifier(standardized, second, strength)
    return Additive(base.center, base.scale, weights, bias)


def held_out_scores(terms: Floats, second: Ints, groups: Ints, seed: int, strength: float = STRENGTH) -> Floats:
    """Return for each case the score (N,) of a classifier that learned from other groups (patients) only.

    Needs two groups of each class.
    """
    standardized = standardizing(terms).standardized(terms)
    fold = _folds(second, groups, np.random.default_rng(seed))
    scores: Floats = np.empty(len(second))
    for number in range(int(fold.max()) + 1):
        test = fold == number
        weights, bias = _classifier(standardized[~test], second[~test], strength)
        scores[test] = standardized[test] @ weights + bias
    return scores


def _classifier(standardized: Floats, second: Ints, strength: float) -> tuple[Floats, float]:
    """Return weights (D,) and bias of ridge logistic regression; both classes weigh the same, whatever their sizes."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, class_weight="balanced", solver="newton-cholesky", max_iter=100)
    model.fit(standardized, second)
    return model.coef_[0].astype(np.float64), float(model.intercept_[0])


def _folds(second: Ints, groups: Ints, rng: np.random.Generator) -> Ints:
    """Return the fold (N,) of each case: whole groups are dealt out in a random order, one kind of group after another.

    A kind is the class or classes of a group's cases, so that every fold has cases of both classes.
    """
    names, place = np.unique(groups, return_inverse=True)
    share = np.bincount(place, weights=second) / np.bincount(place)
    kind = (share > 0).astype(int) + (share >= 1)
    order = np.lexsort((rng.random(len(names)), kind))
    fold = np.empty(len(names), np.int64)
    counts = [len(np.unique(groups[second == side])) for side in (0, 1)]
    fold[order] = np.arange(len(names)) % min(FOLDS, *counts)
    return fold[place]
