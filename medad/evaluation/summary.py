"""Average result rows over the seeds of an experiment, and over the classes of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from statistics import mean, stdev
from typing import Any

CELL = ("dataset", "split", "method", "variant", "network", "anomaly_rate", "score")
METRICS = (
    *("auc", "auc_adjusted", "acquisition_auc", "ap", "f1_max", "pixel_auc", "pixel_ap", "pixel_f1_max"),
    *("pixel_aupro", "pixel_dice", "pixel_dice_oracle", "pointing", "pixel_auc_each"),
)
WORST: dict[str, Callable[..., float]] = {"loss_fall": max, "normal_spread": min, "map_contrast": min}

Row = dict[str, Any]


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return :func:`seed_summary` of the rows of each dataset, method, network and score, in order of appearance."""
    first = {_cell(row): place for place, row in reversed(list(enumerate(rows)))}
    ordered = sorted(rows, key=lambda row: first[_cell(row)])
    return [seed_summary(list(group)) for _, group in groupby(ordered, key=_cell)]


def _cell(row: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(row.get(key) for key in CELL)


def seed_summary(group: Sequence[Mapping[str, Any]]) -> Row:
    """Return the means and standard deviations (NAME_std) of one score over its seeds.

    The interval of a mean describes the variation over cases, for these trained models: its ends are the means of the
    seeds' interval ends. This is the interval of the mean if the seeds agree on which cases are hard; otherwise it is
    wider than necessary. Only the standard deviation describes the variation over training runs.

    With one seed, the deviation is that over the networks that are evaluated separately, if there are several. The
    column "over" names the source of the deviation. The inputs of findings are those of the worst seed.
    """
    several = len(group) > 1
    summary: Row = {**group[0], "over": f"{len(group)} seeds" if several else ""}
    if several:
        for metric in METRICS:
            values = _numbers(group, metric)
            summary[metric] = mean(values) if values else None
            summary[f"{metric}_std"] = stdev(values) if len(values) > 1 else None
            for end in (f"{metric}_low", f"{metric}_high"):
                ends = _numbers(group, end)
                summary[end] = mean(ends) if ends and len(ends) == len(values) else None
        for key, worst in WORST.items():
            if values := _numbers(group, key):
                summary[key] = worst(values)
    elif group[0].get("auc_std") is not None:
        summary["over"] = "networks"
    return summary


def _numbers(group: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [row[key] for row in group if row.get(key) is not None]


def over_classes(summaries: Sequence[Row]) -> list[Row]:
    """Return the unweighted mean over the classes ("NAME:CLASS") of a benchmark for each method, network and score."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in summaries:
        base, colon, _ = row["dataset"].partition(":")
        if colon:
            groups.setdefault((base, *(row.get(key) for key in CELL[2:])), []).append(row)
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
        **{
            metric: mean(row[metric] for row in group) if all(row.get(metric) is not None for row in group) else None
            for metric in METRICS
        },
        **{f"{metric}_{part}": None for metric in METRICS for part in ("std", "low", "high")},
    }
