"""What the paired tests of medad.evaluation.comparing return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from medad.evaluation.entries import Entry
from medad.functional.intervals import Difference


@dataclass(frozen=True)
class Comparison:
    """A pair and a metric: what was found, corrected for ``tests`` tests of its family, or why nothing was."""

    first: Entry
    second: Entry
    metric: str
    found: Difference | None
    note: str = ""
    p_holm: float | None = None
    tests: int = 0

    def row(self) -> dict[str, Any]:
        """As a row of comparisons.csv."""
        first, second, labels = self.first, self.second, self.first.labels
        row: dict[str, Any] = {"dataset": first.dataset}
        if first.folder != second.folder:
            row |= {"folder_first": first.folder, "folder_second": second.folder}
        row |= {"first": first.name, "second": second.name}
        row |= {"n_normal": int((labels == 0).sum()), "n_abnormal": int(labels.sum())}
        row |= {"clusters": "studies" if first.clusters is None else "patients"}
        row |= {"seeds_first": len(first.seeds), "seeds_second": len(second.seeds), "metric": self.metric}
        if self.found is None:
            return {**row, "p": None, "note": self.note}
        row |= {"value_first": self.found.first, "value_second": self.found.second}
        row |= {"difference": self.found.difference, "low": self.found.low, "high": self.found.high}
        return {**row, "p": self.found.p, "p_holm": self.p_holm, "tests": self.tests}


@dataclass(frozen=True)
class Comparisons:
    """The answers to one question, ``by`` which was asked.

    There is a sentence for everything in ``left_out``, which could not be compared, and for the scores ``unpaired``,
    which the question is not about.
    """

    by: str
    confidence: float
    answers: Sequence[Comparison]
    left_out: Sequence[str] = field(default_factory=list)
    unpaired: Sequence[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """As the rows of comparisons.csv."""
        return [answer.row() for answer in self.answers]
