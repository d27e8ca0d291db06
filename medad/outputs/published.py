"""Show published figures beside measured ones: benchmarks/published.csv holds verified figures with their sources.

A figure with a network and a score belongs to one cell of a table; a figure without them is about a whole method.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medad.config import ConfigError
from medad.pipeline_files import home

COLUMNS = ("dataset", "method", "network", "score", "anomaly_rate", "metric", "value", "source")
CELL = ("dataset", "method", "network", "score")
COMPARABLE = ("official", "counts as published")  # kinds of splits that published figures can be compared with


@dataclass(frozen=True)
class PublishedFigure:
    """One published value, from 0 to 1; ``anomaly_rate`` is None if the figure does not depend on it."""

    dataset: str
    method: str
    network: str
    score: str
    anomaly_rate: float | None
    metric: str
    value: float
    source: str

    def of(self, row: Mapping[str, Any]) -> bool:
        """Return whether the figure has the dataset, method, network, score and anomaly rate of a result row."""
        is_cell = all(getattr(self, key) == row[key] for key in CELL)
        return is_cell and self.anomaly_rate in (None, row["anomaly_rate"])


def read_published(path: Path | None = None) -> tuple[PublishedFigure, ...]:
    """Read a table of published figures, by default benchmarks/published.csv.

    Raises:
        ConfigError: the table cannot be read, or has other columns or invalid values.
    """
    path = path or home("benchmarks") / "published.csv"
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream, strict=True)
            if tuple(table.fieldnames or ()) != COLUMNS:
                raise ConfigError(f"{path}: its columns must be {', '.join(COLUMNS)}")
            return tuple(_figure(row, f"{path}, line {table.line_num}") for row in table if row["value"] != "")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: published figures cannot be read: {error}") from None


def _figure(row: dict[str, str], where: str) -> PublishedFigure:
    try:
        rate = float(row["anomaly_rate"]) if row["anomaly_rate"] else None
        value = float(row["value"])
    except (TypeError, ValueError):
        raise ConfigError(f"{where}: anomaly_rate and value must be numbers") from None
    if not 0 <= value <= 1:
        raise ConfigError(f"{where}: value {value} must be from 0 to 1")
    dataset, method, network, score = (row[key] for key in CELL)
    return PublishedFigure(dataset, method, network, score, rate, row["metric"], value, row["source"])


def sources(rows: Sequence[Mapping[str, Any]], figures: Iterable[PublishedFigure]) -> list[str]:
    """Return the sources of all figures that belong to ``rows``; their positions, from 1, mark the figures."""
    matching = [figure for figure in figures if any(figure.of(row) for row in rows)]
    return list(dict.fromkeys(figure.source for figure in matching))


def beside(
    row: Mapping[str, Any], metric: str, figures: Iterable[PublishedFigure], listed_sources: Sequence[str]
) -> str:
    """Return the published figures of a row, as "0.815 [1], 0.832 [2]"; in parentheses if the row's split differs."""
    matching = [figure for figure in figures if figure.metric == metric and figure.of(row)]
    text = ", ".join(f"{figure.value:.3f} [{listed_sources.index(figure.source) + 1}]" for figure in matching)
    return text if not text or row["split"] in COMPARABLE else f"({text})"


def published_lines(rows: Sequence[Mapping[str, Any]], figures: Sequence[PublishedFigure]) -> list[str]:
    """Return lines that explain the marks of :func:`beside`, and list published figures of whole methods."""
    lines = [f"[{place}] {source}" for place, source in enumerate(sources(rows, figures), 1)]
    if lines:
        lines.append("published figures in parentheses are of the official split, and the row is of another one")
    present = dict.fromkeys(str(row["dataset"]).partition(":")[0] for row in rows)
    for dataset in present:
        groups: dict[tuple[str, str], list[str]] = {}
        for figure in figures:
            if figure.dataset == dataset and not figure.network:
                text = f"{figure.metric} {figure.value:.3f}"
                groups.setdefault((figure.method, figure.source), []).append(text)
        lines += [
            f"published for {dataset}, official split: {method}: {', '.join(values)} ({source})"
            for (method, source), values in groups.items()
        ]
    return lines
