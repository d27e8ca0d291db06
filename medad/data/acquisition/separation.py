"""Measure how well acquisition facts alone separate two groups of images, and name the facts that do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from medad.config import Name, Strict
from medad.data.acquisition.facts import FAMILIES, AcquisitionFacts
from medad.data.acquisition.model import Groups, groups_of, terms_of
from medad.functional.additive_ratio import LEAST_SCALE, held_out_scores
from medad.functional.delong import auc_interval
from medad.functional.intervals import Floats, Ints
from medad.types import Study

CHANCE = 0.5
LIMIT = 0.6  # groups are called separated if the whole interval of the AUC is above it
LEAST = 20  # patients in each group; with fewer nothing is measured
MOST_NAMED = 4
LEAST_EFFECT = 0.5  # of the largest difference, for another aspect to be named
LEAST_SPREAD = 0.001  # of the spread of all values: facts that are constant in each group differ by at most 2,000
Area = Annotated[float, Field(strict=True, ge=0, le=1)]
REMEDIES = {
    "image size": "convert both to one size",
    "bit depth": "take both as they left the scanner, or convert both to one bit depth",
    "border": "crop frames, collimation and burned-in text from both",
    "file format or compression": "take both from one source, without another lossy step",
    "scanner": "take both from the same scanners",
    "view or portable unit": "take both in the same views, from the same kind of unit",
}
REMEDY = "take both from the same scanners, protocols and export, or match them by these facts"


class Separation(Strict):
    """How well facts tell the images of ``second`` from those of ``first``: cross-validated AUC with its interval.

    ``leading`` are the aspects of the acquisition that carry the difference, most important first.
    """

    first: Name
    second: Name
    auc: Area
    low: Area
    high: Area
    leading: tuple[Name, ...] = Field(max_length=20)

    @property
    def separated(self) -> bool:
        """Whether the groups differ by their acquisition beyond ``LIMIT``."""
        return self.low > LIMIT

    @property
    def text(self) -> str:
        """The result as a sentence, with the leading aspects and a remedy if the groups are separated."""
        result = (
            f"acquisition facts tell {self.second} from {self.first} with AUC {self.auc:.3f} "
            f"[{self.low:.3f}, {self.high:.3f}]"
        )
        if self.auc <= CHANCE:
            return f"{result}: no better than chance"
        if not self.separated:
            return f"{result}: not beyond {LIMIT:g}"
        remedies = [REMEDIES[name] for name in self.leading if name in REMEDIES] or [REMEDY]
        return (
            f"{result}, by {', '.join(self.leading)}: they were acquired differently, and a method may find that "
            f"instead of disease. {remedies[0][0].upper()}{remedies[0][1:]}, and read the adjusted AUC"
        )


def by_patient(studies: Sequence[Study], facts: Sequence[AcquisitionFacts | None]) -> dict[str, list[AcquisitionFacts]]:
    """Return the facts of the studies that have any, by patient; a study without a patient is one of its own."""
    groups: dict[str, list[AcquisitionFacts]] = {}
    for study, image in zip(studies, facts, strict=True):
        if image is not None:
            groups.setdefault(f"study {study.id}" if study.patient is None else f"of {study.patient}", []).append(image)
    return groups


def separation(
    names: tuple[str, str],
    first: Mapping[str, Sequence[AcquisitionFacts]],
    second: Mapping[str, Sequence[AcquisitionFacts]],
) -> Separation | None:
    """Return how well facts separate two groups, given by patient; None if one has fewer than ``LEAST`` patients.

    The scores are those of held-out patients, and the interval treats the images of a patient as one cluster.
    """
    groups = groups_of(first, second)
    if groups.smaller < LEAST:
        return None
    columns = terms_of(groups.facts)(groups.facts)
    scores = held_out_scores(columns, groups.second, groups.patients, seed=0)
    interval = auc_interval(groups.second, scores[:, None], groups.patients)
    return Separation(
        first=names[0],
        second=names[1],
        auc=interval.value,
        low=interval.low,
        high=interval.high,
        leading=tuple(_leading(groups)),
    )


def _leading(groups: Groups) -> Iterator[str]:
    """Yield the aspects by the fact in each that differs most between the two groups, by Cohen's d.

    Facts are compared one by one: in a model of all, the many facts of the brightness share what one fact explains.
    """
    terms = terms_of(groups.facts)
    numbers = [[image.numbers.get(name, np.nan) for name in terms.numbers] for image in groups.facts]
    words = [
        [float(image.words.get(name) == value) for name, values in terms.words.items() for value in values]
        for image in groups.facts
    ]
    names = [*terms.numbers, *(name for name, values in terms.words.items() for _ in values)]
    values = np.concatenate([np.array(numbers), np.array(words)], axis=1)
    effects: dict[str, float] = {}
    for name, column in zip(names, values.T, strict=True):
        family = FAMILIES.get(name, name)
        effects[family] = max(effects.get(family, 0.0), _effect(column, groups.second))
    ranked = sorted(effects.items(), key=lambda item: -item[1])[:MOST_NAMED]
    yield from (name for name, effect in ranked if effect >= LEAST_EFFECT * ranked[0][1])


def _effect(values: Floats, second: Ints) -> float:
    """Return the distance of the groups' means in standard deviations within the groups.

    The deviation is at least ``LEAST_SPREAD`` of that of all values. A fact that one group lacks differs completely.
    """
    sides = [values[(second == side) & ~np.isnan(values)] for side in (0, 1)]
    if not len(sides[0]) or not len(sides[1]):
        return 1 / LEAST_SPREAD
    within = float(np.mean([side.var() for side in sides])) ** 0.5
    floor = LEAST_SPREAD * float(np.concatenate(sides).std())
    return float(abs(sides[1].mean() - sides[0].mean()) / max(within, floor, LEAST_SCALE))
