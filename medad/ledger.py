"""What batch scoring has done, in a sqlite file: every study's state, written as it is reached."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from medad.types import MedadError

COLUMNS = ("file", "status", "reason", "files", "slices", "scores", "heatmap", "seconds")


class LedgerError(MedadError):
    """An output folder that belongs to another run."""


@dataclass(frozen=True)
class Entry:
    """One row of the results. ``status`` is scored, skipped or failed; ``file`` is relative to the scored folder."""

    file: str
    status: str
    reason: str = ""
    files: int = 1
    slices: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    heatmap: str = ""
    seconds: float = 0.0


class Ledger:
    """Rows by study, with a stamp of the files' sizes and times, so that a changed file is scored again."""

    def __init__(self, path: Path, identity: dict[str, str]) -> None:
        """Open or make the ledger; ``identity`` (model, settings, folder) must be the one it was made with."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS identity (text TEXT)")
        self._database.execute(
            f"CREATE TABLE IF NOT EXISTS entries (id TEXT PRIMARY KEY, stamp TEXT, {', '.join(COLUMNS)})"
        )
        known = self._database.execute("SELECT text FROM identity").fetchone()
        if known is None:
            with self._database:
                self._database.execute("INSERT INTO identity VALUES (?)", (json.dumps(identity),))
        elif json.loads(known[0]) != identity:
            before = json.loads(known[0])
            changed = ", ".join(key for key in identity if before.get(key) != identity[key])
            raise LedgerError(
                f"{path.parent} holds results made with another {changed}: choose a new --out, "
                "or start anew with --restart"
            )

    def done(self, study_id: str, stamp: str) -> bool:
        """Whether there is a row for this study and its files have not changed since."""
        row = self._database.execute("SELECT stamp FROM entries WHERE id = ?", (study_id,)).fetchone()
        return row is not None and row[0] == stamp

    def write(self, rows: Sequence[tuple[str, str, Entry]]) -> None:
        """Add rows (study ID, stamp, entry), all or none."""
        marks = ", ".join("?" * (2 + len(COLUMNS)))
        values = [(study_id, stamp, *_flat(entry)) for study_id, stamp, entry in rows]
        with self._database:
            self._database.executemany(f"INSERT OR REPLACE INTO entries VALUES ({marks})", values)

    def forget(self, present: set[str]) -> None:
        """Drop the rows of studies that are not ``present`` any more."""
        known = [row[0] for row in self._database.execute("SELECT id FROM entries")]
        with self._database:
            gone = [(study_id,) for study_id in known if study_id not in present]
            self._database.executemany("DELETE FROM entries WHERE id = ?", gone)

    def table(self) -> pd.DataFrame:
        """All rows, by file, with a column for each score."""
        query = f"SELECT {', '.join(COLUMNS)} FROM entries ORDER BY file, id"
        rows: list[dict[str, Any]] = []
        for values in self._database.execute(query):
            row = dict(zip(COLUMNS, values, strict=True))
            scores = json.loads(row.pop("scores"))
            rows.append({**row, **scores})
        table = pd.DataFrame(rows)
        last = [name for name in ("files", "slices", "heatmap", "seconds") if name in table]
        return table[[name for name in table if name not in last] + last]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _flat(entry: Entry) -> tuple[Any, ...]:
    return tuple(json.dumps(entry.scores) if name == "scores" else getattr(entry, name) for name in COLUMNS)


def stamp(files: Sequence[Path]) -> str:
    """Sizes and modification times of files."""
    parts = []
    for path in files:
        try:
            info = path.stat()
            parts.append(f"{info.st_size}:{info.st_mtime_ns}")
        except OSError:
            parts.append("-")
    return ";".join(parts)
