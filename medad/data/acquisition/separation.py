"""Measure how well acquisition facts alone separate two groups of images, and name the facts that do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from medad.config import Name, Strict
from medad.data.acquisition.facts import FAMILIES, AcquisitionFacts
from medad.data.acquisition.model import Groups, groups_of, terms_of
from medad.functional.additive_ratio import held_out_scores, leading_terms
from medad.functional.delong import auc_interval
from medad.types import Study

CHANCE = 0.5
LIMIT = 0.6  # groups are called separated if the whole interval of the AUC is above it
LEAST = 20  # patients in each group; with fewer nothing is measured
MOST_NAMED = 3
LEAST_SHARE = 0.15  # of the difference of the two groups' mean scores, for an aspect to be named
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
    """Yield the aspects by their part in the difference of the two groups' mean scores."""
    terms = terms_of(groups.facts)
    differences = leading_terms(terms(groups.facts), groups.second)
    parts: dict[str, float] = {}
    for name, part in zip(terms.names, differences, strict=True):
        family = FAMILIES.get(name, name)
        parts[family] = parts.get(family, 0.0) + float(part)
    total = sum(part for part in parts.values() if part > 0)
    ranked = sorted(parts.items(), key=lambda item: -item[1])[:MOST_NAMED]
    yield from (name for place, (name, part) in enumerate(ranked) if place == 0 or part >= LEAST_SHARE * total)
