"""Result rows -> the table that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import mean, stdev
from typing import Any

CELL = ("dataset", "split", "method", "variant", "network", "anomaly_rate", "score")
HEADINGS = ("dataset", "split", "method", "network", "unlabeled", "score", "AUC", "AP", "± over", "test")

Row = dict[str, Any]


def over_seeds(rows: Sequence[Row]) -> list[Row]:
    """One row for each dataset, method, network and score: the mean over seeds, and the standard deviation.

    With one seed, the deviation is the one over the networks that are judged one by one, where there are several;
    the column "over" says which it is.
    """
    first = {_cell(row): place for place, row in reversed(list(enumerate(rows)))}
    ordered = sorted(rows, key=lambda row: first[_cell(row)])
    return [_summary(list(group)) for _, group in groupby(ordered, key=_cell)]


def _cell(row: Row) -> tuple[object, ...]:
    return tuple(row.get(key) for key in CELL)


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
    """Headings and cells of the printed table; "a + b" are normal and abnormal cases."""
    lines: list[Sequence[str]] = [
        (
            *(row[key] for key in ("dataset", "split")),
            row["method"] if row.get("variant", "-") == "-" else f"{row['method']}, {row['variant']}",
            row["network"],
            f"{row['n_unlabeled'] - row['n_unlabeled_abnormal']} + {row['n_unlabeled_abnormal']}",
            row["score"],
            with_spread(row["auc"], row["auc_std"]),
            with_spread(row["ap"], row["ap_std"]),
            row["over"],
            f"{row['n_normal']} + {row['n_abnormal']}",
        )
        for row in over_seeds(rows)
    ]
    return HEADINGS, lines


def legend(rows: Sequence[Row]) -> list[str]:
    """What the scores of each method are, a line for each method."""
    titles: dict[str, dict[str, str]] = {}
    for row in rows:
        titles.setdefault(row["method"], {})[row["score"]] = row["title"]
    return [
        f"{method}: {'; '.join(f'{score} = {title}' for score, title in own.items())}" for method, own in titles.items()
    ]
