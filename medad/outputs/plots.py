"""Plot ROC and PR curves, histograms of scores, AUC against the anomaly rate, and false alarms against alpha.

Functions named ``draw_...`` draw on the axes they receive; functions named ``save_...`` write a PNG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from medad.files import writing
from medad.functional.histograms import BINS, chi2_distance, unit_scale

NORMAL, ABNORMAL = "#3b6fb6", "#d1495b"
SERIES = ("#3b6fb6", "#d1495b", "#2f8f5b", "#b8860b", "#7b5ea7", "#3d97a6", "#9a6b4f", "#7a7a7a")
CURVE_POINTS = 200  # of a curve; more are not visible
GRAY = "#888888"

Judged = tuple[NDArray[np.int64], NDArray[np.float64]]


def draw_roc(axis: Axes, runs: Mapping[str, Sequence[Judged]], colors: Sequence[str] = SERIES) -> None:
    """Draw ROC curves of labels and scores, (N,) each: a color for each name, and a line for each of its runs."""
    from sklearn.metrics import roc_curve

    _chance(axis, [0, 1], [0, 1])
    for place, judged in enumerate(runs.values()):
        for labels, values in judged:
            x, y, _ = roc_curve(labels, values)
            _line(axis, x, y, colors[place % len(colors)])
    axis.set_xlabel("false positive rate")
    axis.set_ylabel("true positive rate")


def draw_pr(axis: Axes, runs: Mapping[str, Sequence[Judged]], colors: Sequence[str] = SERIES) -> None:
    """Draw precision-recall curves of labels and scores, (N,) each; the dashed line is the share of abnormal cases."""
    from sklearn.metrics import precision_recall_curve

    for place, judged in enumerate(runs.values()):
        for labels, values in judged:
            _chance(axis, [0, 1], [labels.mean()] * 2)
            precision, recall, _ = precision_recall_curve(labels, values, drop_intermediate=True)
            _line(axis, recall[::-1], precision[::-1], colors[place % len(colors)])
    axis.set_xlabel("recall (sensitivity)")
    axis.set_ylabel("precision (PPV in this test set)")


def _chance(axis: Axes, x: ArrayLike, y: ArrayLike) -> None:
    axis.plot(x, y, color=GRAY, linewidth=0.8, linestyle=(0, (2, 2)))


def _line(axis: Axes, x: NDArray[np.float64], y: NDArray[np.float64], color: str) -> None:
    points = np.unique(np.linspace(0, len(x) - 1, min(len(x), CURVE_POINTS)).round().astype(int))
    axis.plot(x[points], y[points], color=color, linewidth=1.1)
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.005)


def draw_histogram(
    axis: Axes, labels: NDArray[np.int64], values: NDArray[np.float64], colors: tuple[str, str] = (NORMAL, ABNORMAL)
) -> None:
    """Draw histograms of normal and abnormal cases; ``values`` (N,) are rescaled to 0-1 as in the DDAD paper."""
    scaled = unit_scale(values)
    for label, color, word in ((0, colors[0], "normal"), (1, colors[1], "abnormal")):
        group = scaled[labels == label]
        weights = np.full(len(group), 1 / max(len(group), 1))
        name = f"{word} ({len(group)})"
        style: dict[str, Any] = {"color": color, "alpha": 0.55, "histtype": "stepfilled", "label": name}
        axis.hist(group, bins=BINS, range=(0, 1), weights=weights, **style)
    axis.set_xlabel("score, scaled to 0-1")


def draw_rates(
    axis: Axes, lines: Mapping[str, Sequence[tuple[float, float, float]]], colors: Sequence[str] = SERIES
) -> None:
    """Draw AUC against the anomaly rate: for each name, (rate, AUC, half length of its error bar) in any order."""
    for place, (name, points) in enumerate(lines.items()):
        rates, aucs, bars = zip(*sorted(points), strict=True)
        color = colors[place % len(colors)]
        axis.errorbar(rates, aucs, bars, marker="o", markersize=3, capsize=2, linewidth=1.1, color=color, label=name)
    axis.set_xlabel("share of the unlabeled set that is abnormal")
    axis.set_ylabel("AUC")


def draw_alarms(
    axis: Axes,
    alphas: NDArray[np.float64],
    band: tuple[NDArray[np.float64], NDArray[np.float64]],
    flagged: Mapping[str, NDArray[np.float64]],
    colors: Sequence[str] = SERIES,
) -> None:
    """Draw the share of flagged test normals, (A,) for each name, against ``alphas`` (A,).

    ``band`` holds the limits, (A,) each, of chance variation if the false-alarm rate is kept.
    """
    _chance(axis, alphas, alphas)
    axis.fill_between(alphas, *band, color=GRAY, alpha=0.18, linewidth=0)
    for place, (name, shares) in enumerate(flagged.items()):
        axis.plot(alphas, shares, color=colors[place % len(colors)], linewidth=1.1, label=name)
    axis.set_xlabel("alpha: false-alarm rate that was asked for")
    axis.set_ylabel("share of test normals flagged")


def save_histograms(
    path: Path, labels: NDArray[np.int64], scores: Mapping[str, NDArray[np.float64]], title: str
) -> None:
    """Write a PNG with the histograms of normal and abnormal cases, and their distance, for each score (N,)."""
    figure, axes = _row_of_axes(len(scores), (3.2, 2.8), title)
    for axis, (name, values) in zip(axes, scores.items(), strict=True):
        scaled = unit_scale(values)
        draw_histogram(axis, labels, values)
        axis.set_title(f"{name}: χ² distance {chi2_distance(scaled[labels == 0], scaled[labels == 1]):.2f}", fontsize=9)
    axes[0].set_ylabel("share of cases")
    axes[0].legend(fontsize=7)
    with writing(path) as part:
        figure.savefig(part, dpi=110)


def save_curves(path: Path, labels: NDArray[np.int64], scores: Mapping[str, NDArray[np.float64]], title: str) -> None:
    """Write a PNG with the ROC and the PR curve of each score (N,)."""
    figure, (roc_axis, pr_axis) = _row_of_axes(2, (3.6, 3.2), title)
    runs = {name: [(labels, values)] for name, values in scores.items()}
    draw_roc(roc_axis, runs)
    draw_pr(pr_axis, runs)
    names = [line for line in roc_axis.get_lines() if line.get_linestyle() == "-"]
    roc_axis.legend(names, list(runs), fontsize=7, loc="lower right")
    with writing(path) as part:
        figure.savefig(part, dpi=110)


def save_rate_curves(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a PNG of AUC against the anomaly rate: a plot for each dataset, method and network, a line for each score.

    ``rows`` are summaries over seeds; with several seeds, the bars are their standard deviation.
    """
    cells = list(dict.fromkeys((row["dataset"], row["method"], row["network"]) for row in rows))
    figure, axes = _row_of_axes(len(cells), (4.2, 3.4), "")
    for axis, cell in zip(axes, cells, strict=True):
        cell_rows = [row for row in rows if (row["dataset"], row["method"], row["network"]) == cell]
        lines: dict[str, list[tuple[float, float, float]]] = {}
        for row in cell_rows:
            lines.setdefault(row["score"], []).append((row["anomaly_rate"], row["auc"], row["auc_std"] or 0.0))
        draw_rates(axis, lines)
        axis.set_title(" ".join(part for part in cell if part != "-"), fontsize=9)
    axes[0].legend(fontsize=7)
    with writing(path) as part:
        figure.savefig(part, dpi=110)


def _row_of_axes(count: int, size: tuple[float, float], title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``count`` axes of ``size`` (inches) side by side."""
    figure = Figure(figsize=(size[0] * count, size[1]), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=10)
    axes: list[Axes] = list(figure.subplots(1, count, squeeze=False)[0])
    for axis in axes:
        axis.tick_params(labelsize=7)
        axis.xaxis.label.set_fontsize(8)
        axis.yaxis.label.set_fontsize(8)
    return figure, axes
