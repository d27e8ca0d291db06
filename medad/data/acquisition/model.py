"""Model the difference of two groups of images by the facts of their acquisition alone; it is stored in a model's card.

The score of a study is the log odds that an image with its facts is from the archive rather than a known normal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from medad.config import Name, Strict
from medad.data.acquisition.facts import WORDS, AcquisitionFacts
from medad.functional.additive_ratio import LEVELS, Additive, additive_terms, fit_additive, knots_of, standardizing
from medad.functional.intervals import Floats, Ints

LEAST_SHARE = 0.02  # of all images; a rarer word counts as "other"
LEAST_WORDS = 3  # images
MOST_FACTS = 200
MOST_TERMS = 5000
Number = Annotated[float, Field(strict=True)]
Terms = Annotated[tuple[Number, ...], Field(max_length=MOST_TERMS)]
Knots = Annotated[tuple[Number, ...], Field(min_length=len(LEVELS), max_length=len(LEVELS))]


class FactTerms(Strict):
    """The terms of facts: ``numbers`` maps a fact to its knots, ``words`` to the values that have their own terms."""

    numbers: dict[Name, Knots] = Field(max_length=MOST_FACTS)
    words: dict[Name, Annotated[tuple[Name, ...], Field(max_length=MOST_FACTS)]] = Field(max_length=MOST_FACTS)

    @property
    def names(self) -> list[str]:
        """The fact of each term, (D,)."""
        ramps = [name for name in self.numbers for _ in LEVELS[1:]]
        return [*ramps, *self.numbers, *(name for name, values in self.words.items() for _ in values)]

    def __call__(self, facts: Sequence[AcquisitionFacts]) -> Floats:
        """Return the terms (N, D) of N images; NaN where a number is missing."""
        values = np.array([[image.numbers.get(name, np.nan) for name in self.numbers] for image in facts])
        knots = np.array([list(row) for row in self.numbers.values()]).reshape(-1, len(LEVELS))
        hot = [
            [float(image.words.get(name) == value) for name, values in self.words.items() for value in values]
            for image in facts
        ]
        return np.concatenate([additive_terms(values.reshape(len(facts), -1), knots), np.array(hot)], axis=1)


class AcquisitionModel(Strict):
    """A model of acquisition facts: standardized terms and their weights.

    ``weights`` is empty if there was no archive to compare the normals with; the score is then the distance from them.
    """

    terms: FactTerms
    center: Terms
    scale: Terms
    weights: Terms = ()
    bias: Number = 0.0

    @model_validator(mode="after")
    def _fits(self) -> AcquisitionModel:
        count = len(self.terms.names)
        if not len(self.center) == len(self.scale) == count or len(self.weights) not in (0, count):
            raise ValueError(f"center, scale and weights must have {count} numbers")
        if any(value <= 0 for value in self.scale):
            raise ValueError("every scale must be greater than 0")
        return self

    def score(self, facts: Sequence[AcquisitionFacts]) -> Floats:
        """Return the score (N,) of images by their facts."""
        weights = np.array(self.weights) if self.weights else None
        return Additive(np.array(self.center), np.array(self.scale), weights, self.bias).score(self.terms(facts))


@dataclass(frozen=True)
class Groups:
    """The ``facts`` of two groups of images, whether each is in the ``second`` (N,), and its patient (N,)."""

    facts: Sequence[AcquisitionFacts]
    second: Ints
    patients: Ints

    @property
    def smaller(self) -> int:
        """The number of patients in the smaller group."""
        return min(len(np.unique(self.patients[self.second == side])) for side in (0, 1))


def groups_of(
    first: Mapping[str, Sequence[AcquisitionFacts]], second: Mapping[str, Sequence[AcquisitionFacts]]
) -> Groups:
    """Return two groups, given as the facts of the images of each patient."""
    facts = [image for group in (first, second) for images in group.values() for image in images]
    names = [name for group in (first, second) for name, images in group.items() for _ in images]
    count = sum(len(images) for images in first.values())
    patients = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Groups(facts, (np.arange(len(facts)) >= count).astype(np.int64), patients)


def terms_of(facts: Sequence[AcquisitionFacts]) -> FactTerms:
    """Return the terms of the facts that differ between the images."""
    numbers = {}
    for name in dict.fromkeys(name for image in facts for name in image.numbers):
        values = np.array([image.numbers.get(name, np.nan) for image in facts])
        if np.isnan(values).any() or np.ptp(values) > 0:
            numbers[name] = tuple(knots_of(values[:, None])[0].tolist())
    least = max(LEAST_WORDS, LEAST_SHARE * len(facts))
    words = {}
    for name in WORDS:
        counts = Counter(image.words[name] for image in facts if name in image.words)
        common = tuple(sorted(word for word, count in counts.items() if least <= count < len(facts)))
        if common:
            words[name] = common
    return FactTerms(numbers=numbers, words=words)


def fit_acquisition(groups: Groups, seed: int = 0) -> AcquisitionModel:
    """Fit the model that tells the second group (the archive) from the first (the normals); no label is used.

    If the second group is empty, the model is the distance from the first.
    """
    terms = terms_of(groups.facts)
    columns = terms(groups.facts)
    if not groups.second.any():
        base = standardizing(columns)
        return AcquisitionModel(terms=terms, center=tuple(base.center.tolist()), scale=tuple(base.scale.tolist()))
    fitted = fit_additive(columns, groups.second, groups.patients, seed)
    return AcquisitionModel(
        terms=terms,
        center=tuple(fitted.center.tolist()),
        scale=tuple(fitted.scale.tolist()),
        weights=() if fitted.weights is None else tuple(fitted.weights.tolist()),
        bias=fitted.bias,
    )
