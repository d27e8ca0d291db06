"""Every two scores, methods or networks on the same test cases: paired tests, Holm corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from medad.functional.delong import compare_aucs
from medad.functional.intervals import UndefinedMetric
from medad.outputs.report.cell import patients
from medad.outputs.report.read import Group
from medad.outputs.report.table import Block, Column, Table, interval, number, text

SHOWN = 20  # pairs of a family on the page; all are in the CSV file
LEVEL = 0.05


@dataclass(frozen=True)
class _Item:
    """One thing that is compared: ``values`` (N, seeds)."""

    name: str
    values: NDArray[np.float64]


def comparison_tables(groups: Sequence[Group]) -> list[Table]:
    """A table for each family: the groups that were tested on the same cases at the same anomaly rate."""
    families: dict[tuple[Any, ...], list[Group]] = {}
    for group in groups:
        cases = group.first.cases
        if cases is not None:
            row = group.first.rows[0]
            same = pd.util.hash_pandas_object(cases[["id", "label"]], index=False).to_numpy().tobytes()
            families.setdefault((row["dataset"], row.get("anomaly_rate"), same), []).append(group)
    rates = {key: "" if key[1] is None else f", anomaly rate {key[1]}" for key in families}
    tables = [_table(f"{key[0]}{rates[key]}", family) for key, family in families.items()]
    return [table for table in tables if table is not None]


def _table(title: str, family: Sequence[Group]) -> Table | None:
    items = [item for group in family for item in _items(group, len(family) > 1)]
    cases = family[0].first.cases
    if cases is None or len(items) < 2:
        return None
    usable = cases["label"].isin([0, 1]).to_numpy()
    usable = usable & np.all([np.isfinite(item.values).all(axis=1) for item in items], axis=0)
    labels, clusters = cases.loc[usable, "label"].to_numpy(np.int64), patients(cases[usable])
    confidence = family[0].first.confidence
    rows: list[dict[str, Any]] = []
    for first, second in combinations(items, 2):
        try:
            found = compare_aucs(labels, first.values[usable], second.values[usable], clusters, confidence)
        except UndefinedMetric:
            continue
        rows.append({"first": first.name, "second": second.name, **_plain(found)})
    if not rows:
        return None
    for row, corrected in zip(rows, multipletests([row["p"] for row in rows], method="holm")[1], strict=True):
        row["p_holm"] = float(corrected)
    rows.sort(key=lambda row: (row["p_holm"], row["p"]))
    different = sum(row["p_holm"] < LEVEL for row in rows)
    note = (
        f"{different} of {len(rows)} pairs differ (Holm corrected p < {LEVEL:g}), on {len(labels)} cases"
        f"{', clustered by patient' if clusters is not None else ''}."
        f"{f' The {SHOWN} with the lowest p are shown; the CSV file has all.' if len(rows) > SHOWN else ''}"
    )
    place = {"family": title}
    return Table(
        "comparisons",
        title,
        _columns(f"{confidence:.0%} interval"),
        [Block("", rows[:SHOWN])],
        place,
        note,
        left_out=rows[SHOWN:],
    )


def _items(group: Group, several: bool) -> list[_Item]:
    """The scores of a group over its seeds; those seeds that have other cases are left out."""
    first = group.first.cases
    alike = [
        cell
        for cell in group.cells
        if first is not None and cell.cases is not None and cell.cases[["id", "label"]].equals(first[["id", "label"]])
    ]
    named = [name for name in group.first.scores if all(name in cell.scores for cell in alike)]
    short = group.title.partition(" · ")[2] if several else ""
    return [
        _Item(
            f"{short}, {name}" if short else name,
            np.stack([cell.cases[name].to_numpy() for cell in alike if cell.cases is not None], 1),
        )
        for name in named
    ]


def _plain(found: Any) -> dict[str, float]:
    return {
        "auc_first": found.first,
        "auc_second": found.second,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p": found.p,
    }


def _columns(sure: str) -> list[Column]:
    return [
        Column("first", text("first"), number=False),
        Column("second", text("second"), number=False),
        Column("AUC", number("auc_first")),
        Column("AUC", number("auc_second")),
        Column(f"difference ({sure})", interval("difference", "low", "high", joint=" to ")),
        Column("p", lambda row: p_value(row["p"])),
        Column("p, Holm", lambda row: p_value(row["p_holm"])),
    ]


def p_value(p: float) -> str:
    """ "< 0.001" or three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
