"""Read the table of test cases (cases.csv): one row for each scored study, one or more columns for each score.

A score of several networks that are evaluated separately ("single") has a column NAME with the mean of their scores,
and columns NAME.0, NAME.1, ... with the score of each network.
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
    """Return the column names of the ``count`` networks of the score ``name``."""
    return [f"{name}.{place}" for place in range(count)]


def columns_of(name: str, columns: Iterable[str]) -> list[str]:
    """Return the columns with the score ``name``: one for each network that is evaluated separately, or ``[name]``."""
    members = [column for column in columns if column.startswith(f"{name}.") and column[len(name) + 1 :].isdigit()]
    return members or [name]


def scores_of(cases: pd.DataFrame, name: str) -> Floats:
    """Return the score ``name`` of N cases, (N, M), with a column for each network that is evaluated separately."""
    values: Floats = cases[columns_of(name, cases.columns)].to_numpy(np.float64)
    return values


def read_cases(path: Path, scores: Sequence[str]) -> pd.DataFrame | None:
    """Return the table of cases with ``scores`` as numbers and all else as text, or None if it cannot be read."""
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
    """Return a patient number for each case, (N,), or None if no two cases are known to share a patient."""
    named = cases["patient"] if "patient" in cases.columns else [""] * len(cases)
    return clusters_of([str(name) or None for name in named])
