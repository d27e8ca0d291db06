"""Build the tables of operating points and localization metrics of a group."""

from __future__ import annotations

from typing import Any

from medad.outputs.report.table import Block, Column, Row, Table, interval, number, text
from medad.results.read import Group

_ORACLE = (
    "The oracle threshold is the best one on these very masks: no figure to expect in use. Its Dice is a mean over "
    "studies; a published Dice pooled over all pixels is to be compared with the pixel F1-max of the printed table."
)
PIXELS = {
    "pixel_auc": "AUROC",
    "pixel_ap": "AP",
    "pixel_aupro": "AU-PRO to FPR 0.3",
    "pixel_dice": "Dice, threshold from normals",
    "pixel_dice_oracle": "Dice, oracle threshold",
}


def points_table(group: Group) -> Table | None:
    """Return a table of the operating points whose thresholds are stored in the model, or None without any."""
    rows = [
        {**_point(row, name), "score": row["score"], "point": name, "prevalence": row.get("prevalence")}
        for row in group.first.rows
        for name in _points(row)
    ]
    if not rows:
        return None
    sure = f"{group.first.confidence:.0%}"
    columns = [
        Column("score", text("score"), number=False),
        Column("point", text("point"), number=False),
        Column("threshold", number("threshold", 4)),
        Column(f"sensitivity ({sure})", interval("sensitivity", "sensitivity_low", "sensitivity_high")),
        Column(f"specificity ({sure})", interval("specificity", "specificity_low", "specificity_high")),
    ]
    if any(row.get("ppv") is not None for row in rows):
        columns += [
            Column(f"PPV ({sure})", interval("ppv", "ppv_low", "ppv_high")),
            Column(f"NPV ({sure})", interval("npv", "npv_low", "npv_high")),
        ]
        columns += [Column("at a prevalence of", number("prevalence"))]
    note = (
        "Flagged means a score above the threshold. Thresholds were set without the test set; intervals are Wilson's."
    )
    return Table("operating_points", "Operating points", columns, [Block("", rows)], group.place, note)


def _points(row: Row) -> list[str]:
    ends = "_threshold"
    return [key.removesuffix(ends) for key in row if key.endswith(ends) and key != "pixel_threshold"]


def _point(row: Row, name: str) -> dict[str, Any]:
    values = {key.removeprefix(f"{name}_"): value for key, value in row.items() if key.startswith(f"{name}_")}
    return {key: value for key, value in values.items() if value is not None}


def pixels_table(group: Group) -> Table | None:
    """Return a table of localization metrics, or None if localization was not measured."""
    measured: list[Row] = [
        row for row in group.first.rows if any(row.get(key) is not None for key in (*PIXELS, "pointing"))
    ]
    if not measured:
        return None
    headings = {key: heading for key, heading in PIXELS.items() if any(row.get(key) is not None for row in measured)}
    columns = [Column("score", text("score"), number=False)]
    columns += [Column(heading, number(key)) for key, heading in headings.items()]
    if any(row.get("pointing") is not None for row in measured):
        columns += [
            Column(
                f"pointing hit rate ({group.first.confidence:.0%})",
                interval("pointing", "pointing_low", "pointing_high"),
            )
        ]
    counted = ", ".join(
        f"{measured[0][key]} studies with {what}"
        for key, what in (("n_masks", "masks"), ("n_boxes", "boxes"))
        if measured[0].get(key)
    )
    keys = (
        "score",
        *PIXELS,
        "pixel_f1_max",
        "pixel_threshold",
        "n_masks",
        "pointing",
        "pointing_low",
        "pointing_high",
        "n_boxes",
    )
    rows = [{key: row[key] for key in keys if key in row} for row in measured]
    note = _ORACLE if headings else ""
    caption = f"Localization: {counted}" if counted else "Localization"
    return Table("localization", caption, columns, [Block("", rows)], group.place, note)
