"""The classifiers of archive against normal that the method ratio learns from pooled features."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from torch import Generator

from medad.functional.density_ratio import (
    LEAST_SCALE,
    Floats,
    Ints,
    bootstrap_groups,
    choose_strength,
    cross_fitted_scores,
    cross_validated_aucs,
    fit_ratio,
)
from medad.functional.pooling import highest_by_item
from medad.methods._ratio_settings import RatioSettings
from medad.methods.base import CrossFitted
from medad.progress import progress
from medad.types import Study

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pooled:
    """The pooled features (N, D) of N images, and the study of each."""

    values: Floats
    studies: list[Study]

    @property
    def patients(self) -> list[str]:
        """Return the patient of each image, or its study where no patient is known."""
        return [study.patient or f"study {study.id}" for study in self.studies]

    def scaled(self, center: Floats, scale: Floats) -> Pooled:
        """Return the features minus ``center`` (D,), divided by ``scale`` (D,)."""
        return Pooled((self.values - center) / scale, self.studies)


@dataclass(frozen=True)
class Classifiers:
    """K linear classifiers: ``weights`` (K, D) of standardized features and ``biases`` (K,).

    ``strength`` is scikit-learn's C, and ``auc`` that of archive against normal on held-out patients with it; None if
    no patients could be held out.
    """

    weights: Floats
    biases: Floats
    strength: float
    auc: float | None


def learn_classifiers(normal: Pooled, archive: Pooled, settings: RatioSettings, rng: Generator) -> Classifiers:
    """Fit each classifier to a bootstrap sample of the patients, given standardized features."""
    features, labels, groups = _joined(normal, archive)
    seed = rng.initial_seed() % 2**32
    strength, auc = _choose_strength(features, labels, groups, settings, seed)
    if auc is not None:
        log.info("archive against normals, held-out patients: AUC %.3f with C = %g", auc, strength)
    random = np.random.default_rng(seed)
    members = []
    with progress("fit classifiers", settings.members) as advance:
        for _ in range(settings.members):
            drawn = bootstrap_groups(groups, random)
            if len(np.unique(labels[drawn])) < 2:  # a sample that lacks a class
                drawn = np.arange(len(labels))
            members.append(fit_ratio(features[drawn], labels[drawn], strength))
            advance(1)
    weights, biases = np.stack([member.weights for member in members]), np.array([member.bias for member in members])
    return Classifiers(weights, biases, strength, auc)


def cross_fit(normal: Pooled, archive: Pooled, settings: RatioSettings, rng: Generator) -> CrossFitted:
    """Score each study by a classifier that learned from other patients (:func:`cross_fitted_scores`).

    A volume has the score of its highest slice.

    Raises:
        UndefinedMetric: normals or archive have fewer than 2 patients.
    """
    features, labels, groups = _joined(normal, archive)
    seed, scale = rng.initial_seed() % 2**32, features.std(axis=0)
    scale[scale < LEAST_SCALE] = 1.0
    with progress("cross-fit classifiers", 2) as advance:
        strength, _ = _choose_strength((features - features.mean(axis=0)) / scale, labels, groups, settings, seed)
        advance(1)
        scores = cross_fitted_scores(features, labels, groups, strength, settings.folds, seed)
        advance(1)
    normals, normal_scores = highest_by_item(normal.studies, scores[labels == 0])
    archived, archive_scores = highest_by_item(archive.studies, scores[labels == 1])
    return CrossFitted("ratio", normals, normal_scores, archived, archive_scores)


def _joined(normal: Pooled, archive: Pooled) -> tuple[Floats, Ints, Ints]:
    """Return the features (N, D) of both, 0 (normal) or 1 (archive) for each image, and the number of its patient."""
    groups = np.unique([*normal.patients, *archive.patients], return_inverse=True)[1]
    labels = np.repeat([0, 1], [len(normal.studies), len(archive.studies)])
    return np.concatenate([normal.values, archive.values]), labels, groups


def _choose_strength(
    features: Floats, labels: Ints, groups: Ints, settings: RatioSettings, seed: int
) -> tuple[float, float | None]:
    """Return the strength of the regularization, and its AUC on held-out patients; None if none can be held out."""
    aucs = cross_validated_aucs(features, labels, groups, settings.strengths, settings.folds, seed)
    place = choose_strength(aucs)
    return settings.strengths[place], float(aucs[place].mean()) if aucs.size else None
