"""A table of the report: shown on the page, and written whole as CSV."""

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
    """``show`` turns a row into the cell's text; numbers stand right."""

    heading: str
    show: Callable[[Row], str]
    number: bool = True


@dataclass(frozen=True)
class Block:
    """Rows that belong together, under a title of their own ("" for none) that leads to ``anchor``."""

    title: str
    rows: Sequence[Row]
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """``name`` is that of the CSV file, which tables of several sections share; the first column names its row.

    ``place`` are the columns that say in the CSV file which section a row is from; ``bars`` are the keys of a value
    and its interval that the page also draws. ``left_out`` rows are in the CSV file only.
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
        """All rows, those that the page leaves out too."""
        return [*(row for block in self.blocks for row in block.rows), *self.left_out]

    @property
    def start(self) -> float:
        """Where the scale of the bars starts; it ends at 1."""
        ends: list[float] = [row[key] for row in self.rows for key in self.bars or () if row.get(key) is not None]
        return math.floor(10 * min([0.5, *ends])) / 10

    def along(self, value: float) -> float:
        """The place of ``value`` on the scale of the bars, of 128 units."""
        return round(3 + 122 * (value - self.start) / (1 - self.start), 1)


def text(key: str) -> Callable[[Row], str]:
    """The value of ``key`` as it is."""
    return lambda row: ABSENT if row.get(key) is None else str(row[key])


def number(key: str, digits: int = 3) -> Callable[[Row], str]:
    """The value of ``key`` with ``digits`` after the point."""
    return lambda row: fixed(row.get(key), digits)


def interval(key: str, low: str, high: str, digits: int = 3, joint: str = DASH) -> Callable[[Row], str]:
    """ "0.812 (0.790-0.834)", with a dash, or without the interval where there is none."""

    def show(row: Row) -> str:
        value = fixed(row.get(key), digits)
        if value == ABSENT or fixed(row.get(low), digits) == ABSENT:
            return value
        return f"{value} ({fixed(row[low], digits)}{joint}{fixed(row[high], digits)})"

    return show


def fixed(value: object, digits: int = 3) -> str:
    """A number with ``digits`` after the point; what is no finite number is absent."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return ABSENT
    return f"{value:.{digits}f}".replace("-", MINUS)


def write_csv(tables: Sequence[Table], folder: Path) -> list[Path]:
    """One file for each name; text that a spreadsheet would take for a formula begins with an apostrophe."""
    paths = []
    for name in dict.fromkeys(table.name for table in tables):
        same_file = [table for table in tables if table.name == name]
        rows = [{**table.place, **row} for table in same_file for row in table.rows]
        path = folder / f"{name}.csv"
        write_records(path, rows)
        paths.append(path)
    return paths
