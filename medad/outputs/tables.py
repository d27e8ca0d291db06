"""Result rows -> the table that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

CELL = ["dataset", "split", "method", "network", "score"]


def over_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """One row for each dataset, method, network and score: the mean over seeds, and the standard deviation.

    With one seed, the deviation is the one over the networks that are judged one by one, where there are several;
    the column "over" says which it is.
    """
    rows: list[dict[str, Any]] = []
    for key, group in results.groupby(CELL, sort=False):
        row: dict[str, Any] = dict(zip(CELL, key, strict=True))
        several = len(group) > 1
        for metric in ("auc", "ap"):
            row[metric] = group[metric].mean()
            row[f"{metric}_std"] = group[metric].std(ddof=1) if several else group[f"{metric}_std"].iloc[0]
        row["over"] = f"{len(group)} seeds" if several else ("networks" if pd.notna(row["auc_std"]) else "")
        row["title"] = group["title"].iloc[0]
        row["n_normal"], row["n_abnormal"] = group["n_normal"].iloc[0], group["n_abnormal"].iloc[0]
        rows.append(row)
    return pd.DataFrame(rows)


def with_spread(value: float, std: float | None) -> str:
    """"0.812 ± 0.011", or "0.812"."""
    return f"{value:.3f}" if std is None or pd.isna(std) else f"{value:.3f} ± {std:.3f}"


def result_lines(results: pd.DataFrame) -> tuple[list[str], list[Sequence[str]]]:
    """Headings and cells of the printed table."""
    headings = ["dataset", "split", "method", "network", "score", "AUC", "AP", "± over", "normal + abnormal"]
    lines = [
        (
            str(row.dataset),
            str(row.split),
            str(row.method),
            str(row.network),
            f"{row.score}: {row.title}",
            with_spread(row.auc, row.auc_std),
            with_spread(row.ap, row.ap_std),
            str(row.over),
            f"{row.n_normal} + {row.n_abnormal}",
        )
        for row in over_seeds(results).itertuples()
    ]
    return headings, lines
