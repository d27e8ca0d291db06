"""Format result rows as printed tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medad.evaluation.findings import MARK, finding_lines, findings
from medad.evaluation.summary import over_classes, over_seeds
from medad.outputs.published import PublishedFigure, beside, sources

HEADINGS = ("dataset", "split", "method", "network", "unlabeled", "score", "AUC", "AP", "± over", "test")
LOCALIZED = {
    "f1_max": "F1-max",
    "pixel_auc": "pixel AUC",
    "pixel_ap": "pixel AP",
    "pixel_f1_max": "pixel F1-max",
    "pixel_aupro": "AU-PRO",
    "pixel_dice": "Dice",
    "pixel_dice_oracle": "Dice (oracle)",
    "pointing": "boxes hit",
}
COMPARED = ("dataset", "first", "second", "metric", "first", "second", "difference", "p", "p (Holm)")

Row = Mapping[str, Any]


def _value(row: Row, metric: str) -> str:
    """Format a metric as "0.812 [0.790, 0.832] ± 0.011"; interval and deviation are omitted if absent."""
    parts = [f"{row[metric]:.3f}"]
    if row.get(f"{metric}_low") is not None:
        parts.append(f"[{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]")
    if row.get(f"{metric}_std") is not None:
        parts.append(f"± {row[f'{metric}_std']:.3f}")
    return " ".join(parts)


def _unlabeled(row: Row) -> str:
    """Format the size of the unlabeled set as "1600 + 2400" (normal + abnormal), or "812 unknown" without labels."""
    total, abnormal = row.get("n_unlabeled"), row.get("n_unlabeled_abnormal")
    if total == 0:
        return "not used"
    if total is None or abnormal is None:
        return "-" if total is None else f"{total} unknown"
    return f"{total - abnormal} + {abnormal}"


def _method_and_network(row: Row) -> tuple[str, str]:
    """Return the method, with its variant if it has one, and the network."""
    variant = row.get("variant", "-")
    return row["method"] if variant == "-" else f"{row['method']}, {variant}", row["network"]


def result_lines(
    rows: Sequence[Row], figures: Sequence[PublishedFigure] = ()
) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return headings and cells of the result table; "a + b" are normal and abnormal cases.

    Means over classes come last. A score is marked if it has findings (see :func:`warning_lines`). A column of
    published AUCs is added if any of ``figures`` belongs to a row.
    """
    listed_sources = sources(rows, figures)
    summaries = over_seeds(rows)
    adjusted = any(row.get("acquisition_auc") is not None for row in summaries)
    lines: list[Sequence[str]] = [
        (
            row["dataset"],
            row["split"],
            *_method_and_network(row),
            _unlabeled(row),
            f"{row['score']} {MARK}" if findings(row) else row["score"],
            _value(row, "auc"),
            *([_adjusted(row)] if adjusted else []),
            _value(row, "ap"),
            row["over"],
            f"{row['n_normal']} + {row['n_abnormal']}",
            *([beside(row, "auc", figures, listed_sources)] if listed_sources else []),
        )
        for row in (*summaries, *over_classes(summaries))
    ]
    place = HEADINGS.index("AUC") + 1
    headings = (*HEADINGS[:place], *(["adjusted AUC"] if adjusted else []), *HEADINGS[place:])
    return (*headings, *(["published AUC"] if listed_sources else [])), lines


def _adjusted(row: Row) -> str:
    return "undefined" if row.get("auc_adjusted") is None else _value(row, "auc_adjusted")


def acquisition_lines(rows: Sequence[Row]) -> list[str]:
    """Return a line for each dataset on what acquisition facts alone reach, and why an adjusted AUC is undefined."""
    lines = {}
    for row in over_seeds(rows):
        if row.get("acquisition_auc") is None:
            continue
        note = row.get("adjusted_note")
        undefined = f"; the adjusted AUC is undefined: {note}" if note else ""
        lines[row["dataset"]] = (
            f"{row['dataset']}: acquisition facts alone reach AUC {_value(row, 'acquisition_auc')}{undefined}"
        )
    if not lines:
        return []
    meaning = "adjusted AUC: between abnormal and normal studies that were acquired alike (Janes and Pepe 2009)"
    return [meaning, *lines.values()]


def warning_lines(rows: Sequence[Row]) -> list[str]:
    """Return a line for each kind of finding about the marked scores of the printed table."""
    return [f"{MARK} {line}" for line in finding_lines(over_seeds(rows))]


def localization_lines(rows: Sequence[Row]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return headings and cells of the localization table: mean ± std over seeds of rows that have masks or boxes."""
    summaries = over_seeds([row for row in rows if row.get("n_masks") or row.get("n_boxes")])
    named = {key: word for key, word in LOCALIZED.items() if any(row.get(key) is not None for row in summaries)}
    lines: list[Sequence[str]] = [
        (
            row["dataset"],
            *_method_and_network(row),
            row["score"],
            *("" if row.get(key) is None else _value(row, key) for key in named),
        )
        for row in (*summaries, *over_classes(summaries))
    ]
    return ("dataset", "method", "network", "score", *named.values()), lines


def comparison_lines(rows: Sequence[Row]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return headings and cells of the table of paired tests."""
    lines: list[Sequence[str]] = []
    for row in rows:
        names = [
            f"{row[key]} ({row[f'folder_{key}']})" if f"folder_{key}" in row else row[key]
            for key in ("first", "second")
        ]
        if row["p"] is None:
            lines.append((row["dataset"], *names, row["metric"].upper(), "", "", "not tested", "", ""))
            continue
        difference = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        values = (f"{row['value_first']:.3f}", f"{row['value_second']:.3f}", difference)
        lines.append(
            (row["dataset"], *names, row["metric"].upper(), *values, p_value(row["p"]), p_value(row["p_holm"]))
        )
    return COMPARED, lines


def p_value(p: float | None) -> str:
    """Format a p-value as "< 0.001" or with three digits; None gives an empty string."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def legend(rows: Sequence[Row]) -> list[str]:
    """Return a line for each method that explains its scores."""
    titles: dict[str, dict[str, str]] = {}
    for row in rows:
        titles.setdefault(row["method"], {})[row["score"]] = row["title"]
    return [
        f"{method}: {'; '.join(f'{score} = {title}' for score, title in scores.items())}"
        for method, scores in titles.items()
    ]
