"""The columns of scores.csv and scores.parquet, in order: what each is called, its type, and its value in a row.

A new column is one line here, and one in docs/reference/tables.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from medad.scoring.core.entries import CaseRow
from medad.scoring.core.flagging import FLAGGED_BY, FLAGS, Verdicts
from medad.scoring.core.identifiers import Identifiers, pseudonym

TEXT = pa.string()


@dataclass(frozen=True)
class Digests:
    """What decides about the rows: digests of the ``model`` and of the ``settings``."""

    model: str
    settings: str


@dataclass(frozen=True)
class FixedColumn:
    """A column whose values do not depend on the rules that flag."""

    name: str
    value: Callable[[CaseRow], object]
    type: pa.DataType = TEXT


@dataclass(frozen=True)
class Columns:
    """All columns of the table of one run; with ``uids`` the rows hold UIDs, else pseudonyms of them."""

    verdicts: Verdicts
    digests: Digests
    uids: bool = False

    def before(self) -> tuple[FixedColumn, ...]:
        """Return the columns before the scores."""
        uids = (
            FixedColumn("StudyInstanceUID", lambda row: row.identifiers.study),
            FixedColumn("SeriesInstanceUID", lambda row: row.identifiers.series),
            FixedColumn("SOPInstanceUID", lambda row: row.identifiers.instance),
        )
        return (
            FixedColumn("case", self.case),
            FixedColumn("level", lambda row: row.level),
            FixedColumn("study_key", lambda row: self._keys(row).study),
            FixedColumn("series_key", lambda row: self._keys(row).series),
            *(uids if self.uids else ()),
            FixedColumn("file", lambda row: row.file),
            FixedColumn("status", lambda row: row.entry.status),
            FixedColumn("reason", lambda row: row.entry.reason),
            FixedColumn("files", lambda row: row.count, pa.int32()),
            FixedColumn("slices", lambda row: row.entry.slices, pa.int32()),
        )

    def after(self) -> tuple[FixedColumn, ...]:
        """Return the columns after the scores and what follows from them."""
        return (
            FixedColumn("heatmap", lambda row: row.entry.heatmap),
            FixedColumn("model", lambda _: self.digests.model),
            FixedColumn("settings", lambda _: self.digests.settings),
        )

    def case(self, row: CaseRow) -> str:
        """Return the key of a case: the pseudonym of its UID, or of the path of its file outside DICOM."""
        return self._keys(row).of_case(row.level) or pseudonym(row.file)

    def _keys(self, row: CaseRow) -> Identifiers:
        """Return the pseudonyms of the UIDs of a case."""
        return row.identifiers.pseudonyms() if self.uids else row.identifiers

    def schema(self) -> pa.Schema:
        """Return the names and types of all columns, in order."""
        kinds = {**dict.fromkeys(FLAGS, pa.bool_()), FLAGGED_BY: TEXT}
        names = [*self.verdicts.scores, *self.verdicts.columns()]
        return pa.schema(
            [
                *((column.name, column.type) for column in self.before()),
                *((name, kinds.get(name, pa.float64())) for name in names),
                *((column.name, column.type) for column in self.after()),
            ]
        )

    def values(self, rows: Sequence[CaseRow]) -> dict[str, list[Any]]:
        """Return the values of each column for N rows, N of each; None where a row has no value."""
        scored = [place for place, row in enumerate(rows) if row.entry.status == "scored"]
        scores_of_rows = [rows[place].entry.scores for place in scored]
        numbers = {
            name: np.array([scores[name] for scores in scores_of_rows], np.float64) for name in self.verdicts.scores
        }
        return {
            **{column.name: [column.value(row) for row in rows] for column in self.before()},
            **{
                name: _spread(values, scored, len(rows))
                for name, values in {**numbers, **self.verdicts.of(scores_of_rows)}.items()
            },
            **{column.name: [column.value(row) for row in rows] for column in self.after()},
        }


def _spread(values: Any, places: Sequence[int], count: int) -> list[Any]:
    """Return ``count`` cells with ``values`` at ``places`` and None elsewhere."""
    cells: list[Any] = [None] * count
    for place, value in zip(places, values.tolist(), strict=True):
        cells[place] = value
    return cells
