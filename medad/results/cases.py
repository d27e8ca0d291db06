"""The table of test cases (cases.csv): one row for each scored study, one column or more for each score.

A score of several networks that are judged one by one ("single") has a column NAME with the mean of their scores, and
NAME.0, NAME.1, ... with the score of each network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from medad.functional.intervals import Floats, Ints, clusters_of
from medad.text import unguarded

ATTRIBUTE = "attr:"
FIXED = ("id", "label", "patient")


def member_columns(name: str, count: int) -> list[str]:
    """The columns of the ``count`` networks that the score ``name`` judges one by one."""
    return [f"{name}.{place}" for place in range(count)]


def columns_of(name: str, columns: Iterable[str]) -> list[str]:
    """The columns that hold the score ``name``: one for each network that is judged by itself, else its own."""
    members = [column for column in columns if column.startswith(f"{name}.") and column[len(name) + 1 :].isdigit()]
    return members or [name]


def scores_of(cases: pd.DataFrame, name: str) -> Floats:
    """The scores ``name`` of N cases, (N, M): a column for each network that is judged by itself."""
    values: Floats = cases[columns_of(name, cases.columns)].to_numpy(np.float64)
    return values


def read_cases(path: Path, scores: Sequence[str]) -> pd.DataFrame | None:
    """The table of cases, text as text and ``scores`` as numbers, or None where there is none."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError):
        return None
    if not {"id", "label"} <= set(table.columns):
        return None
    table = table.map(unguarded)
    table["label"] = pd.to_numeric(table["label"], errors="coerce")
    for name in scores:
        for column in {name, *columns_of(name, table.columns)} & set(table.columns) - set(FIXED):
            table[column] = pd.to_numeric(table[column], errors="coerce").astype(float)
    return table


def patients(cases: pd.DataFrame) -> Ints | None:
    """A number for the patient of each case (N,), or None if no two cases are known to share one."""
    named = cases["patient"] if "patient" in cases.columns else [""] * len(cases)
    return clusters_of([str(name) or None for name in named])
