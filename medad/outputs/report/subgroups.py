"""Build the table of AUCs within the subgroups defined by the attributes of the test studies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from medad.functional.delong import auc_interval
from medad.functional.intervals import UndefinedMetric
from medad.outputs.report.table import Block, Column, Row, Table, interval, number, text
from medad.results.cases import ATTRIBUTE, patients, scores_of
from medad.results.cell import Cell
from medad.results.read import Group

VALUES = 12  # subgroups of an attribute; all other values form one subgroup
QUARTERED = 8  # a numeric attribute with more values is divided at its quartiles
LIKE_NAMES = 0.5  # values per case; an attribute with more may identify persons and is not shown
UNKNOWN, OTHER = "(unknown)", "(other values)"


def subgroup_table(group: Group) -> Table | None:
    """Return a table with a block for each attribute: its subgroups, their numbers of cases and AUCs; None if empty."""
    cell, hidden = group.first, []
    blocks = []
    for column, values in attributes(cell):
        if values is None:
            hidden.append(f"{column} is not shown: nearly every case has a value of its own.")
        else:
            rows = [_row(cell, column, name, (values == name).to_numpy()) for name in _in_order(values)]
            blocks.append(Block(column, rows))
    if not blocks and not hidden:
        return None
    sure = f"{cell.confidence:.0%}"
    columns = [
        Column("subgroup", text("subgroup"), number=False),
        Column("normal", number("n_normal", 0)),
        Column("abnormal", number("n_abnormal", 0)),
        *(Column(f"AUC {name} ({sure})", interval(name, f"{name}_low", f"{name}_high")) for name in cell.scores),
    ]
    note = (
        "A dash: fewer than two cases of a class. Many subgroups were looked at; small ones differ by chance. "
        f"{' '.join(hidden)}"
    )
    return Table("subgroups", "AUC by subgroup", columns, blocks, group.place, note.strip())


def attributes(cell: Cell) -> Iterator[tuple[str, pd.Series[str] | None]]:
    """Yield each attribute with the subgroup of each case, or with None if its values may identify persons."""
    for column in [] if cell.cases is None else cell.cases.columns:
        if column.startswith(ATTRIBUTE) and cell.cases is not None:
            yield column.removeprefix(ATTRIBUTE), _subgroups(cell.cases[column])


def _subgroups(values: pd.Series[str]) -> pd.Series[str] | None:
    present = values[values != ""]
    if present.nunique() > QUARTERED:
        numeric = pd.to_numeric(present, errors="coerce")
        if numeric.notna().all() and np.isfinite(numeric).all():
            return _quarters(values, numeric)
        if present.nunique() > LIKE_NAMES * len(present):
            return None
    common = present.value_counts(sort=True).index[:VALUES]
    named = values.where(values.isin(common) | (values == ""), OTHER)
    return named.where(named != "", UNKNOWN)


def _quarters(values: pd.Series[str], numeric: pd.Series[float]) -> pd.Series[str]:
    """Return the range between quartiles that each value lies in; a value on a border belongs to the upper range."""
    edges = np.unique(np.quantile(numeric, (0, 0.25, 0.5, 0.75, 1)))
    place = np.clip(np.searchsorted(edges, numeric, side="right") - 1, 0, len(edges) - 2)
    ranges = [f"{edges[index]:g} to {edges[index + 1]:g}" for index in place]
    return pd.Series(ranges, index=numeric.index).reindex(values.index, fill_value=UNKNOWN)


def _in_order(values: pd.Series[str]) -> list[str]:
    """Sort numbers and ranges by their lower end, other subgroups by their size; unknown values come last."""

    def place(name: str) -> tuple[bool, float]:
        try:
            return name in (OTHER, UNKNOWN), float(name.partition(" to ")[0])
        except ValueError:
            return name in (OTHER, UNKNOWN), 0.0

    return sorted((str(name) for name in values.value_counts(sort=True).index), key=place)


def _row(cell: Cell, attribute: str, subgroup: str, members: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Row:
    cases = cell.cases
    if cases is None:
        return {}
    subgroup_cases = cases[members & cases["label"].isin([0, 1]).to_numpy()]
    labels = subgroup_cases["label"].to_numpy(np.int64)
    row: dict[str, object] = {
        "attribute": attribute,
        "subgroup": subgroup,
        "n_normal": int((labels == 0).sum()),
        "n_abnormal": int((labels == 1).sum()),
    }
    for name in cell.scores:
        try:
            auc = auc_interval(labels, scores_of(subgroup_cases, name), patients(subgroup_cases), cell.confidence)
        except UndefinedMetric:
            row |= {name: None, f"{name}_low": None, f"{name}_high": None}
        else:
            row |= {name: auc.value, f"{name}_low": auc.low, f"{name}_high": auc.high}
    return row
