"""Define the grid of a bench: its cells, which of them are finished, and the table of their rows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medad.experiments.plan import Experiment
from medad.files import write_text
from medad.locks import open_locked
from medad.results.finished import RESULT, finished
from medad.results.row import ResultRow
from medad.splits import Pools
from medad.text import cell
from medad.types import MedadError

RESULTS, CELLS, REPORT, LOCK = "results.csv", "cells", "report.html", "bench.lock"


class BenchError(MedadError):
    """Raised for a bench that has nothing to run, or whose folder is in use."""


@dataclass(frozen=True)
class GridCell:
    """An experiment, its data, and the folder for its results."""

    experiment: Experiment
    pools: Pools
    folder: Path

    def finished(self) -> list[ResultRow] | None:
        """Return the result rows, or None if they are missing or have other evaluation settings."""
        return finished(self.folder, self.experiment.evaluation)


@dataclass
class BenchOutcome:
    """The outcome of a bench: rows and folders of finished cells, and missing data and failures with their reasons.

    ``kept`` counts the cells that were finished before, ``run`` those that were run now, and ``others`` the finished
    experiments of other benches in the same folder, which are not in ``rows``.
    """

    rows: list[ResultRow] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    kept: int = 0
    run: int = 0
    others: int = 0


@dataclass(frozen=True)
class Grid:
    """The cells of one bench in ``out``; ``missing`` and ``broken`` list data sets without cells, with reasons."""

    out: Path
    experiments: Sequence[Experiment]
    cells: Sequence[GridCell]
    missing: dict[str, str]
    broken: dict[str, str]

    @property
    def digest(self) -> str:
        """8 hex digits that identify the experiments, independent of which data sets are available."""
        described = json.dumps([experiment.describe() for experiment in self.experiments], sort_keys=True)
        return hashlib.sha256(described.encode()).hexdigest()[:8]

    def unfinished(self) -> list[GridCell]:
        """Return the cells that must be run or evaluated again."""
        return [cell for cell in self.cells if cell.finished() is None]

    def outcome(self) -> BenchOutcome:
        """Return the outcome before any cell is run."""
        finished_folders = [cell.folder for cell in self.cells if cell.finished() is not None]
        of_this_bench = {cell.folder for cell in self.cells}
        other_results = [path for path in (self.out / CELLS).glob(f"*/{RESULT}") if path.parent not in of_this_bench]
        return BenchOutcome(
            self.rows(),
            finished_folders,
            dict(self.missing),
            dict(self.broken),
            len(finished_folders),
            others=len(other_results),
        )

    def rows(self) -> list[ResultRow]:
        """Return the rows of all finished cells in the order of the grid."""
        return [row for cell in self.cells for row in finished(cell.folder) or ()]

    def write_table(self) -> list[ResultRow]:
        """Write the rows to ``out``/results.csv and return them."""
        rows = self.rows()
        write_text(self.out / RESULTS, _table(rows))
        return rows

    def settled(self) -> bool:
        """Return whether every cell is finished, and table and report are up to date."""
        if self.unfinished() or not (self.out / REPORT).is_file() or not (self.out / RESULTS).is_file():
            return False
        written = (self.out / REPORT).stat().st_mtime
        newest = max(((cell.folder / RESULT).stat().st_mtime for cell in self.cells), default=0.0)
        return newest <= written and (self.out / RESULTS).read_text(encoding="utf-8") == _table(self.rows())


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as CSV; a missing value gives an empty cell."""
    text = io.StringIO()
    headings = list(dict.fromkeys(key for row in rows for key in row))
    table = csv.writer(text, lineterminator="\n")
    table.writerow(headings)
    table.writerows([cell(row.get(key)) for key in headings] for row in rows)
    return text.getvalue()


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Lock ``out`` for one bench, since two benches would write the same table.

    Raises:
        BenchError: another bench is working in ``out``.
    """
    lock_file = out / "runs" / LOCK
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = open_locked(lock_file)
    if lock is None:
        raise BenchError(f"{out}: another medad is at work here; wait for it, or choose a new --out")
    with lock:
        yield
