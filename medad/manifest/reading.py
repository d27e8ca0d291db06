"""Read a manifest from a CSV or Parquet file, and check it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from medad.csv_tables import read_cells
from medad.manifest.manifest import KIND, Cut, Manifest
from medad.manifest.rows import CUTS, ManifestError, ManifestRow, check_headings, missing, on_two_sides, row_of, twice
from medad.parsing import quoted

NAMES = ("manifest.csv", "manifest.parquet")
SHOWN = 5  # problems that one message lists


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from a CSV or Parquet file, or from manifest.csv or manifest.parquet in a folder.

    Raises:
        ManifestError: the manifest is contradictory or names missing files; the message names rows and columns.
        TableError: the file is not a table.
    """
    manifest, problems = parse_manifest(path)
    refuse(manifest.path, problems)
    return manifest


def parse_manifest(path: Path) -> tuple[Manifest, list[str]]:
    """Read a manifest and return it with a sentence for each problem of its rows.

    Raises:
        ManifestError: the manifest has no usable rows.
        TableError: the file is not a table.
    """
    path = _table_in(path)
    table = read_rows(path)
    rows, problems = table.rows, table.problems
    if not rows:
        raise ManifestError(f"{path}: it has headings and no rows")
    cut = _one_value(table.records, "cut", problems) or CUTS[0]
    if cut not in CUTS:
        problems.append(f"column 'cut': {quoted(cut)} is not allowed: choose from {', '.join(CUTS)}")
    name = _one_value(table.records, "dataset", problems) or (path.parent.name if path.stem == KIND else path.stem)
    manifest = Manifest(path, re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or KIND, cast(Cut, cut), rows)
    return manifest, [*problems, *missing(rows), *twice(rows), *_contradictions(manifest), *on_two_sides(rows)]


@dataclass(frozen=True)
class RowTable:
    """The rows of a table of files: as ``records`` (row number, cells by heading) and parsed.

    ``problems`` has a sentence for each cell that is not allowed.
    """

    records: list[tuple[int, dict[str, str]]]
    rows: tuple[ManifestRow, ...]
    problems: list[str]


def read_rows(path: Path) -> RowTable:
    """Read a table with the columns of a manifest.

    Raises:
        ManifestError: a column is not allowed, or "role" is missing.
        TableError: the file is not a table.
    """
    headings, cells = read_cells(path, "file")
    check_headings(path, headings)
    if "role" not in headings:
        raise ManifestError(f"{path}: it has no column 'role' (normal, unlabeled or test)")
    problems: list[str] = []
    records = [(number, dict(zip(headings, row, strict=True))) for number, row in enumerate(cells, 2) if any(row)]
    rows = tuple(row_of(number, cells, path.parent, _problem_recorder(number, problems)) for number, cells in records)
    return RowTable(records, rows, problems)


def refuse(path: Path, problems: Sequence[str]) -> None:
    """Raise a ManifestError that lists the first ``problems`` of the table at ``path``, if there are any."""
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ManifestError(f"{path}: {'; '.join(problems[:SHOWN])}{more}")


def has_manifest(folder: Path) -> bool:
    """Return whether there is a manifest.csv or manifest.parquet in ``folder``."""
    return any((folder / name).is_file() for name in NAMES)


def _table_in(path: Path) -> Path:
    try:
        if not path.is_dir():
            return path.absolute()
    except (OSError, ValueError) as error:
        raise ManifestError(f"{quoted(str(path))}: {getattr(error, 'strerror', None) or error}") from None
    tables = [path / name for name in NAMES if (path / name).is_file()]
    if len(tables) != 1:
        raise ManifestError(f"{path}: expected one of manifest.csv and manifest.parquet in this folder")
    return tables[0].absolute()


def _problem_recorder(number: int, problems: list[str]) -> Callable[[str, str], None]:
    return lambda column, sentence: problems.append(f"row {number}, column {quoted(column)}: {sentence}")


def _one_value(records: Sequence[tuple[int, dict[str, str]]], column: str, problems: list[str]) -> str:
    values = {cells.get(column, "") for _, cells in records} - {""}
    if len(values) > 1:
        problems.append(f"column {column!r} must hold one value for the whole table, and holds {len(values)}")
    return min(values, default="")


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """Yield a sentence for each column in which the rows of a study differ."""
    for rows in manifest.groups:
        for column in ("role", "label", "patient", "attributes"):
            if len({getattr(row, column) for row in rows}) > 1:
                numbers = f"{rows[0].number} to {rows[-1].number}"
                yield f"rows {numbers}, column {column!r}: the files of one study have different values"
