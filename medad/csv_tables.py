"""Read tables of text cells from CSV or Parquet."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from medad.parsing import ParseError, quoted, read_text
from medad.text import unguarded, visible
from medad.types import MedadError

DELIMITERS = (",", ";", "\t")
TABLE_BYTES = 512 * 2**20
MOST_CELLS = 100_000_000
MOST_COLUMNS = 1000
MOST_NAMED = 20  # columns that a message lists


class TableError(MedadError):
    """The table cannot be read."""


def read_cells(path: Path, needed: str) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of a table, all cells as text.

    A CSV file is UTF-8, with or without BOM, and separated by comma, semicolon or tab: the delimiter is the one that
    makes ``needed`` a heading. A file that ends in .parquet or .pq is Parquet.

    Raises:
        TableError: the file cannot be read as a table, or it has no column ``needed``.
    """
    if not _is_file(path):
        raise TableError(f"{visible(str(path))[:1000]}: there is no such file")
    headings, rows = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path, needed)
    if needed not in headings:
        names = ", ".join(quoted(name) for name in headings[:MOST_NAMED])
        raise TableError(f"{path}: it has no column {needed!r}; its columns: {names or 'none'}")
    if len(headings) > MOST_COLUMNS:
        raise TableError(f"{path}: it has {len(headings)} columns, and at most {MOST_COLUMNS} are read")
    twice = [name for name, count in Counter(headings).items() if count > 1]
    if twice:
        raise TableError(f"{path}: column {quoted(min(twice))} is there twice")
    return headings, rows


def _csv(path: Path, needed: str) -> tuple[list[str], list[list[str]]]:
    try:
        text = read_text(path, TABLE_BYTES)
    except ParseError as error:
        raise TableError(f"{error}, or as Parquet" if "UTF-8" in str(error) else str(error)) from None
    fits = [sign for sign in DELIMITERS if needed in _first_row(text, sign)]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=fits[0] if fits else ",", strict=True)
    try:
        table = list(reader)
    except csv.Error as error:
        raise TableError(f"{path}, line {reader.line_num}: not valid CSV: {error}") from None
    headings = _headings(table[0]) if table else []
    for number, row in enumerate(table[1:], start=2):
        if row and len(row) != len(headings):
            raise TableError(f"{path}: row {number} has {len(row)} cells and the headings are {len(headings)}")
    return headings, [[unguarded(cell.strip()) for cell in row] for row in table[1:]]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def _first_row(text: str, delimiter: str) -> list[str]:
    """Return the headings in the first line of ``text``, split at ``delimiter``."""
    with suppress(csv.Error):
        return _headings(next(csv.reader([re.split(r"[\r\n]", text, maxsplit=1)[0]], delimiter=delimiter), []))
    return []


def _headings(row: Sequence[str]) -> list[str]:
    return [unguarded(cell.strip()) for cell in row]


def _parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        size = parquet.read_metadata(path)
        if size.num_rows * size.num_columns > MOST_CELLS or size.num_columns > MOST_COLUMNS:
            raise TableError(f"{path}: {size.num_rows} rows of {size.num_columns} columns are more than can be read")
        table = parquet.read_table(path)
        columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise TableError(f"{path}: not valid Parquet: {next(iter(str(error).splitlines()), 'damaged')}") from None
    return [str(name) for name in table.column_names], [list(row) for row in zip(*columns, strict=True)]


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8").strip()
    if isinstance(value, (bool, float)) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value).strip()
