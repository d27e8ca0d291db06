"""Result rows -> the table that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import mean, stdev
from typing import Any

CELL = ("dataset", "split", "method", "network", "score")
HEADINGS = ("dataset", "split", "method", "network", "score", "AUC", "AP", "± over", "normal + abnormal")

Row = dict[str, Any]


def over_seeds(rows: Sequence[Row]) -> list[Row]:
    """One row for each dataset, method, network and score: the mean over seeds, and the standard deviation.

    With one seed, the deviation is the one over the networks that are judged one by one, where there are several;
    the column "over" says which it is.
    """
    first = {_cell(row): place for place, row in reversed(list(enumerate(rows)))}
    ordered = sorted(rows, key=lambda row: first[_cell(row)])
    return [_summary(list(group)) for _, group in groupby(ordered, key=_cell)]


def _cell(row: Row) -> tuple[str, ...]:
    return tuple(row[key] for key in CELL)


def _summary(group: list[Row]) -> Row:
    several = len(group) > 1
    summary = {**group[0], "over": f"{len(group)} seeds" if several else ""}
    for metric in ("auc", "ap"):
        values = [row[metric] for row in group]
        summary[metric] = mean(values)
        summary[f"{metric}_std"] = stdev(values) if several else group[0][f"{metric}_std"]
    if not several and summary["auc_std"] is not None:
        summary["over"] = "networks"
    return summary


def with_spread(value: float, std: float | None) -> str:
    """ "0.812 ± 0.011", or "0.812" where there is no deviation."""
    return f"{value:.3f}" if std is None else f"{value:.3f} ± {std:.3f}"


def result_lines(rows: Sequence[Row]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Headings and cells of the printed table."""
    lines: list[Sequence[str]] = [
        (
            *(row[key] for key in CELL[:-1]),
            f"{row['score']}: {row['title']}",
            with_spread(row["auc"], row["auc_std"]),
            with_spread(row["ap"], row["ap_std"]),
            row["over"],
            f"{row['n_normal']} + {row['n_abnormal']}",
        )
        for row in over_seeds(rows)
    ]
    return HEADINGS, lines
