"""Define the results of the paired tests in medad.evaluation.comparing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from medad.evaluation.entries import ComparedScore
from medad.functional.intervals import Difference


@dataclass(frozen=True)
class Comparison:
    """The test of one metric on one pair: ``result``, Holm corrected in a family of ``tests``, or else a ``note``."""

    first: ComparedScore
    second: ComparedScore
    metric: str
    result: Difference | None
    note: str = ""
    p_holm: float | None = None
    tests: int = 0

    def row(self) -> dict[str, Any]:
        """Return the comparison as a row of comparisons.csv."""
        first, second, labels = self.first, self.second, self.first.labels
        row: dict[str, Any] = {"dataset": first.dataset}
        if first.folder != second.folder:
            row |= {"folder_first": first.folder, "folder_second": second.folder}
        row |= {"first": first.name, "second": second.name}
        row |= {"n_normal": int((labels == 0).sum()), "n_abnormal": int(labels.sum())}
        row |= {"clusters": "studies" if first.clusters is None else "patients"}
        row |= {"seeds_first": len(first.seeds), "seeds_second": len(second.seeds), "metric": self.metric}
        if self.result is None:
            return {**row, "p": None, "note": self.note}
        row |= {"value_first": self.result.first, "value_second": self.result.second}
        row |= {"difference": self.result.difference, "low": self.result.low, "high": self.result.high}
        return {**row, "p": self.result.p, "p_holm": self.p_holm, "tests": self.tests}


@dataclass(frozen=True)
class Comparisons:
    """The answers to the question ``by`` ("score", "method" or "folder").

    ``left_out`` has a sentence for each result that could not be compared, and ``unpaired`` a sentence for the scores
    that the question does not cover.
    """

    by: str
    confidence: float
    answers: Sequence[Comparison]
    left_out: Sequence[str] = field(default_factory=list)
    unpaired: Sequence[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """Return the answers as rows of comparisons.csv."""
        return [answer.row() for answer in self.answers]
