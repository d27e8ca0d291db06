"""Plots of results: histograms of scores, AUC against the anomaly rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from medad.functional.histograms import BINS, chi2_distance, unit_scale

NORMAL, ABNORMAL = "#3b6fb6", "#d1495b"


def save_histograms(
    path: Path, labels: NDArray[np.int64], scores: Mapping[str, NDArray[np.float64]], title: str
) -> None:
    """Write a PNG with, for each score (N,), the histograms of normal and abnormal cases and their distance.

    Scores are scaled to 0-1 for the picture only, as in the paper of DDAD.
    """
    figure = Figure(figsize=(3.2 * len(scores), 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(1, len(scores), squeeze=False)[0]
    for axis, (name, values) in zip(axes, scores.items(), strict=True):
        scaled = unit_scale(values)
        normal, abnormal = scaled[labels == 0], scaled[labels == 1]
        for group, color, word in ((normal, NORMAL, "normal"), (abnormal, ABNORMAL, "abnormal")):
            weights = np.full(len(group), 1 / len(group))
            axis.hist(group, BINS, (0, 1), weights=weights, color=color, alpha=0.6, label=f"{word} ({len(group)})")
        axis.set_title(f"{name}: χ² distance {chi2_distance(normal, abnormal):.2f}", fontsize=9)
        axis.set_xlabel("score, scaled to 0-1", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("share of cases", fontsize=8)
    axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=110)


def save_rate_curves(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a PNG of AUC against the anomaly rate: a plot for each dataset, method and network, a line for each score.

    ``rows`` are summaries over seeds; with several seeds, the bars are their standard deviation.
    """
    cells = list(dict.fromkeys((row["dataset"], row["method"], row["network"]) for row in rows))
    figure = Figure(figsize=(4.2 * len(cells), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(cells), squeeze=False)[0]
    for axis, cell in zip(axes, cells, strict=True):
        own = [row for row in rows if (row["dataset"], row["method"], row["network"]) == cell]
        for score in dict.fromkeys(row["score"] for row in own):
            line = sorted((row for row in own if row["score"] == score), key=lambda row: row["anomaly_rate"])
            bars = [row["auc_std"] or 0.0 for row in line]
            rates, aucs = [row["anomaly_rate"] for row in line], [row["auc"] for row in line]
            axis.errorbar(rates, aucs, bars, marker="o", markersize=3, capsize=2, label=score)
        axis.set_title(" ".join(part for part in cell if part != "-"), fontsize=9)
        axis.set_xlabel("share of the unlabeled set that is abnormal", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].set_ylabel("AUC", fontsize=8)
    axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=110)
