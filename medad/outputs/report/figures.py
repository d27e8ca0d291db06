"""Draw the figures of the report, each with an alternative text that states its content in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from medad.functional.histograms import chi2_distance, unit_scale
from medad.outputs import plots
from medad.outputs.report.svg import SERIES, Drawing
from medad.results.read import Group

Judged = plots.Judged


@dataclass(frozen=True)
class Chart:
    """A figure of the report; ``legend`` has the names of its series in the order of the page's colors."""

    svg: Markup
    caption: str
    alt: str
    legend: Sequence[str] = ()


def curves(group: Group, drawing: Drawing) -> list[Chart]:
    """Draw ROC and PR curves of all scores, a line for each seed; runs without both classes are skipped."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    runs = {name: [cell.judged(name) for cell in group.cells if name in cell.scores] for name in group.first.scores}
    runs = {name: usable for name, judged in runs.items() if (usable := [run for run in judged if _has_both(run)])}
    if not runs:
        return []
    lines = "a line for each seed" if len(group.cells) > 1 else f"seed {group.first.seed}"
    figures = []
    for title, area, draw, judge in (
        ("ROC", "AUC", plots.draw_roc, roc_auc_score),
        ("Precision-recall", "AP", plots.draw_pr, average_precision_score),
    ):
        with drawing.axes() as (axis, drawn):
            draw(axis, runs, SERIES)
        areas = "; ".join(
            f"{name} {', '.join(f'{judge(*run):.3f}' for run in judged)}" for name, judged in runs.items()
        )
        counts = f"{_count(runs, 0)} normal and {_count(runs, 1)} abnormal cases"
        alt = f"{title} curves of {group.title}, {counts}, {lines}. {area} under each line: {areas}."
        figures.append(Chart(Markup(drawn[0]), f"{title} curves, {lines}", alt, list(runs)))
    return figures


def _has_both(judged: Judged) -> bool:
    return bool((judged[0] == 0).any() and (judged[0] == 1).any())


def _count(runs: Mapping[str, Sequence[Judged]], label: int) -> int:
    return int((next(iter(runs.values()))[0][0] == label).sum())


def histograms(group: Group, drawing: Drawing) -> list[Chart]:
    """Draw the histograms of normal and abnormal cases for each score of the lowest seed."""
    figures = []
    for name in group.first.scores:
        labels, values = group.first.judged(name)
        if not len(values):
            continue
        with drawing.axes((2.5, 1.9)) as (axis, drawn):
            plots.draw_histogram(axis, labels, values, (SERIES[0], SERIES[1]))
            axis.set_yticks([])
            axis.spines["left"].set_visible(False)
            axis.set_position((0.03, 0.22, 0.94, 0.75))
        groups = [(word, values[labels == label]) for label, word in ((0, "normal"), (1, "abnormal"))]
        parts = "; ".join(_quartiles(word, group_values) for word, group_values in groups if len(group_values))
        distance = ""
        if _has_both((labels, values)):
            scaled = unit_scale(values)
            distance = f"χ² distance {chi2_distance(scaled[labels == 0], scaled[labels == 1]):.2f}"
        alt = f"Histogram of {name}, seed {group.first.seed}. {parts}. {distance}".strip()
        caption = f"{name}, {distance}" if distance else name
        figures.append(Chart(Markup(drawn[0]), caption, alt))
    return figures


def _quartiles(word: str, values: NDArray[np.float64]) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{len(values)} {word} cases: median {middle:.3g}, quartiles {low:.3g} and {high:.3g}"


def rates(groups: Sequence[Group], drawing: Drawing) -> list[Chart]:
    """Draw AUC against the anomaly rate for each dataset, method and network that was run at several rates."""
    sweeps: dict[tuple[str, ...], dict[str, dict[float, list[float]]]] = {}
    for group in groups:
        for row in (row for cell in group.cells for row in cell.rows):
            rate = row.get("anomaly_rate")
            if rate is not None and row["auc"] is not None:
                lines = sweeps.setdefault(tuple(str(row[key]) for key in ("dataset", "method", "network")), {})
                lines.setdefault(row["score"], {}).setdefault(rate, []).append(row["auc"])
    return [_rate_figure(cell, lines, drawing) for cell, lines in sweeps.items() if max(map(len, lines.values())) > 1]


def _rate_figure(
    cell: tuple[str, ...], lines: Mapping[str, Mapping[float, Sequence[float]]], drawing: Drawing
) -> Chart:
    points = {
        name: [
            (rate, float(np.mean(aucs)), float(np.std(aucs, ddof=1)) if len(aucs) > 1 else 0.0)
            for rate, aucs in line.items()
        ]
        for name, line in lines.items()
    }
    with drawing.axes() as (axis, drawn):
        plots.draw_rates(axis, points, SERIES)
    title = " · ".join(part for part in cell if part != "-")
    aucs_text = "; ".join(
        f"{name} {', '.join(f'{auc:.3f} at {rate:g}' for rate, auc, _ in sorted(line))}"
        for name, line in points.items()
    )
    caption = f"{title}: mean over seeds, bars ± standard deviation where there are several"
    return Chart(Markup(drawn[0]), caption, f"AUC of {title} by anomaly rate. {aucs_text}.", list(points))


def losses(metrics: Mapping[str, Sequence[tuple[int, float]]], drawing: Drawing) -> list[Chart]:
    """Draw training curves from (epoch, loss) by metric name: a figure for each family of networks."""
    families: dict[str, dict[str, Sequence[tuple[int, float]]]] = {}
    for name, line in metrics.items():
        network, _, what = name.rpartition("/")
        if what == "loss" and len(line) > 1:
            families.setdefault(network.rstrip("0123456789"), {})[network] = line
    return [_loss_figure(lines, drawing) for lines in families.values()]


def _loss_figure(lines: Mapping[str, Sequence[tuple[int, float]]], drawing: Drawing) -> Chart:
    with drawing.axes((2.5, 1.9)) as (axis, drawn):
        for place, line in enumerate(lines.values()):
            axis.plot(*zip(*line, strict=True), color=SERIES[place % len(SERIES)], linewidth=1)
        axis.set_xlabel("epoch")
        axis.set_position((0.2, 0.22, 0.77, 0.73))
    losses_text = "; ".join(f"{name} from {line[0][1]:.3g} to {line[-1][1]:.3g}" for name, line in lines.items())
    epochs = max(line[-1][0] for line in lines.values())
    return Chart(
        Markup(drawn[0]),
        f"Training loss of {', '.join(lines)}",
        f"Training loss over {epochs} epochs. {losses_text}.",
    )
