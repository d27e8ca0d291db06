"""Tables of text cells, read from CSV or Parquet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medad.text import unguarded
from medad.types import MedadError

DELIMITERS = (",", ";", "\t")


class TableError(MedadError):
    """A table that cannot be read."""


def read_cells(path: Path, needed: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a CSV (UTF-8, with or without BOM; comma, semicolon or tab) or Parquet file, as text.

    ``needed`` is a heading that must be there; it also tells the delimiter.

    Raises:
        TableError: it is no such table.
    """
    if not path.is_file():
        raise TableError(f"{path}: there is no such file")
    headings, rows = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path, needed)
    if needed not in headings:
        raise TableError(f"{path}: it has no column {needed!r}; its columns: {', '.join(headings) or 'none'}")
    twice = sorted({name for name in headings if headings.count(name) > 1})
    if twice:
        raise TableError(f"{path}: column {twice[0]!r} is there twice")
    return headings, rows


def _csv(path: Path, needed: str) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TableError(f"{path}: it is not UTF-8: save it again as CSV UTF-8, or as Parquet") from None
    first = text.split("\n", 1)[0]
    fits = [sign for sign in DELIMITERS if needed in _headings(next(csv.reader([first], delimiter=sign), []))]
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=fits[0] if fits else ",", strict=True))
    except csv.Error as error:
        raise TableError(f"{path}: not valid CSV: {error}") from None
    headings = _headings(table[0]) if table else []
    for number, row in enumerate(table[1:], start=2):
        if row and len(row) != len(headings):
            raise TableError(f"{path}: row {number} has {len(row)} cells and the headings are {len(headings)}")
    return headings, [[unguarded(cell.strip()) for cell in row] for row in table[1:]]


def _headings(row: Sequence[str]) -> list[str]:
    return [unguarded(cell.strip()) for cell in row]


def _parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise TableError(f"{path}: not valid Parquet: {str(error).splitlines()[0]}") from None
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return [str(name) for name in table.column_names], [list(row) for row in zip(*columns, strict=True)]


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (bool, float)) and value == int(value):
        return str(int(value))
    return str(value).strip()
