"""Define the tables of the report, which are shown on the page and written in full as CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medad.files import write_records

Row = Mapping[str, Any]
DASH = "\u2013"
ABSENT = DASH
MINUS = "\u2212"


@dataclass(frozen=True)
class Column:
    """A column of a table; ``show`` formats a row as the cell's text, and numbers are aligned right."""

    heading: str
    show: Callable[[Row], str]
    number: bool = True


@dataclass(frozen=True)
class Block:
    """A group of rows under a title ("" for none) that links to ``anchor``."""

    title: str
    rows: Sequence[Row]
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the report.

    ``name`` is the name of the CSV file, which tables of several sections share. ``place`` has the CSV columns that
    identify the section of a row. ``bars`` are the keys of a value and its interval that the page draws as bars. The
    rows in ``left_out`` are only in the CSV file.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    blocks: Sequence[Block]
    place: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    bars: tuple[str, str, str] | None = None
    left_out: Sequence[Row] = ()

    @property
    def rows(self) -> list[Row]:
        """All rows, including those that the page omits."""
        return [*(row for block in self.blocks for row in block.rows), *self.left_out]

    @property
    def start(self) -> float:
        """The lower end of the scale of the bars; the upper end is 1."""
        ends: list[float] = [row[key] for row in self.rows for key in self.bars or () if row.get(key) is not None]
        return math.floor(10 * min([0.5, *ends])) / 10

    def along(self, value: float) -> float:
        """Return the position of ``value`` on the scale of the bars, which is 128 units long."""
        return round(3 + 122 * (value - self.start) / (1 - self.start), 1)


def text(key: str) -> Callable[[Row], str]:
    """Return a function that formats the value of ``key`` as text."""
    return lambda row: ABSENT if row.get(key) is None else str(row[key])


def number(key: str, digits: int = 3) -> Callable[[Row], str]:
    """Return a function that formats the value of ``key`` with ``digits`` decimals."""
    return lambda row: fixed(row.get(key), digits)


def interval(key: str, low: str, high: str, digits: int = 3, joint: str = DASH) -> Callable[[Row], str]:
    """Return a function that formats value and interval as "0.812 (0.790-0.834)"; an absent interval is omitted."""

    def show(row: Row) -> str:
        value = fixed(row.get(key), digits)
        if value == ABSENT or fixed(row.get(low), digits) == ABSENT:
            return value
        return f"{value} ({fixed(row[low], digits)}{joint}{fixed(row[high], digits)})"

    return show


def fixed(value: object, digits: int = 3) -> str:
    """Format a number with ``digits`` decimals; anything but a finite number gives a dash."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return ABSENT
    return f"{value:.{digits}f}".replace("-", MINUS)


def write_csv(tables: Sequence[Table], folder: Path) -> list[Path]:
    """Write one CSV file for each table name and return the paths.

    Text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    paths = []
    for name in dict.fromkeys(table.name for table in tables):
        same_file = [table for table in tables if table.name == name]
        rows = [{**table.place, **row} for table in same_file for row in table.rows]
        path = folder / f"{name}.csv"
        write_records(path, rows)
        paths.append(path)
    return paths
