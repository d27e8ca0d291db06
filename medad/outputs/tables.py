"""Result rows -> the table that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import mean, stdev
from typing import Any

from medad.outputs.published import Figure, beside, sources

CELL = ("dataset", "split", "method", "network", "anomaly_rate", "score")
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


def over_classes(summaries: Sequence[Row]) -> list[Row]:
    """One row for each method, network and score on a benchmark of several classes ("NAME:CLASS"): their plain mean."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in summaries:
        base, colon, _ = row["dataset"].partition(":")
        if colon:
            groups.setdefault((base, *(row[key] for key in CELL[2:])), []).append(row)
    return [_class_mean(str(base), group) for (base, *_), group in groups.items() if len(group) > 1]


def _class_mean(base: str, group: list[Row]) -> Row:
    splits = {row["split"] for row in group}
    counts = ("n_normal", "n_abnormal")
    return {
        **group[0],
        "dataset": f"{base} (mean)",
        "split": splits.pop() if len(splits) == 1 else "mixed",
        "over": f"{len(group)} classes",
        **{key: sum(row[key] for row in group) for key in counts},
        **{metric: mean(row[metric] for row in group) for metric in ("auc", "ap")},
        "auc_std": None,
        "ap_std": None,
    }


def with_spread(value: float, std: float | None) -> str:
    """ "0.812 ± 0.011", or "0.812" where there is no deviation."""
    return f"{value:.3f}" if std is None else f"{value:.3f} ± {std:.3f}"


def result_lines(rows: Sequence[Row], figures: Sequence[Figure] = ()) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Headings and cells of the printed table; "a + b" are normal and abnormal cases. Means over classes come last.

    Where any of ``figures`` belongs to a cell, there is a column of published AUCs.
    """
    known = sources(rows, figures)
    summaries = over_seeds(rows)
    lines: list[Sequence[str]] = [
        (
            *(row[key] for key in ("dataset", "split", "method", "network")),
            _unlabeled(row),
            row["score"],
            with_spread(row["auc"], row["auc_std"]),
            with_spread(row["ap"], row["ap_std"]),
            row["over"],
            f"{row['n_normal']} + {row['n_abnormal']}",
            *([beside(row, "auc", figures, known)] if known else []),
        )
        for row in (*summaries, *over_classes(summaries))
    ]
    return (*HEADINGS, *(["published AUC"] if known else [])), lines


def _unlabeled(row: Row) -> str:
    """ "1600 + 2400", or "812 unknown" where nobody knows the labels."""
    abnormal = row["n_unlabeled_abnormal"]
    unknown = abnormal is None
    return f"{row['n_unlabeled']} unknown" if unknown else f"{row['n_unlabeled'] - abnormal} + {abnormal}"


def legend(rows: Sequence[Row]) -> list[str]:
    """What the scores of each method are, a line for each method."""
    titles: dict[str, dict[str, str]] = {}
    for row in rows:
        titles.setdefault(row["method"], {})[row["score"]] = row["title"]
    return [
        f"{method}: {'; '.join(f'{score} = {title}' for score, title in own.items())}" for method, own in titles.items()
    ]
