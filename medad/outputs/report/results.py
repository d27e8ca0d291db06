"""Build the tables of experiments and their results from the rows of the cells."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from medad.evaluation.findings import MARK, findings
from medad.evaluation.summary import seed_summary
from medad.outputs.report.table import ABSENT, Block, Column, Row, Table, fixed, interval, number, text
from medad.results.cell import Cell
from medad.results.read import Group, Results

STUDIES = "normal + abnormal"


def runs_table(results: Results) -> Table:
    """Return a table of the experiments and their data, with a row for each group."""
    columns = [
        Column("model", text("group"), number=False),
        Column("split", text("split"), number=False),
        Column("digest of lists", text("digest"), number=False),
        Column("known normal", text("known_normal")),
        Column(f"unlabeled ({STUDIES})", _unlabeled),
        Column(f"test ({STUDIES})", _sum("n_normal", "n_abnormal")),
        Column("calibration", text("calibration")),
        Column("seeds", text("seeds")),
        Column("epochs", text("epochs")),
        Column("minutes each", number("minutes", 1)),
    ]
    rows = [_run(group) for group in results.groups]
    note = (
        "A split is called official when the digest of its lists is the published one. Calibration: known normals held "
        "out of training."
    )
    return Table("runs", "What was run on what", columns, [Block("", rows)], note=note)


def _run(group: Group) -> dict[str, Any]:
    cell = group.first
    row, source = cell.rows[0], cell.source
    unlabeled, abnormal = row.get("n_unlabeled"), row.get("n_unlabeled_abnormal")
    seconds = [
        float(seed_cell.rows[0]["seconds"])
        for seed_cell in group.cells
        if isinstance(seed_cell.rows[0].get("seconds"), (int, float))
    ]
    return {
        "group": group.title,
        "dataset": row["dataset"],
        "split": row.get("split"),
        "digest": source.get("digest"),
        "known_normal": source.get("normal"),
        "n_unlabeled": unlabeled if unlabeled is not None else source.get("unlabeled"),
        "n_unlabeled_normal": None if unlabeled is None or abnormal is None else unlabeled - abnormal,
        "n_unlabeled_abnormal": abnormal,
        "n_normal": row.get("n_normal"),
        "n_abnormal": row.get("n_abnormal"),
        "calibration": calibration_count(cell) or None,
        "seeds": seeds_text(group),
        "epochs": row.get("epochs") or None,
        "minutes": mean(seconds) / 60 if seconds else None,
    }


def seeds_text(group: Group) -> str:
    """Return the seeds of a group, as "0, 1, 2"."""
    return ", ".join(str(cell.seed) for cell in group.cells)


def calibration_count(cell: Cell) -> int:
    """Return the number of held-out normals that the model was calibrated on."""
    return max((len(values) for values in cell.held_out.values()), default=0)


def _unlabeled(row: Row) -> str:
    """Format the size of the unlabeled set as "32 + 48" (normal + abnormal), or "80 unknown" without labels."""
    if row["n_unlabeled"] == 0:
        return "not used"
    counts = _sum("n_unlabeled_normal", "n_unlabeled_abnormal")(row)
    return f"{row['n_unlabeled']} unknown" if counts == ABSENT and row["n_unlabeled"] is not None else str(counts)


def _sum(first: str, second: str) -> Any:
    def show(row: Row) -> str:
        return ABSENT if row.get(first) is None or row.get(second) is None else f"{row[first]} + {row[second]}"

    return show


def summary_tables(results: Results) -> list[Table]:
    """Return the main table of each dataset: a block for each group, and a row for each of its scores."""
    datasets = dict.fromkeys(str(group.first.rows[0]["dataset"]) for group in results.groups)
    return [
        _summary(name, [group for group in results.groups if str(group.first.rows[0]["dataset"]) == name])
        for name in datasets
    ]


def _summary(dataset: str, groups: Sequence[Group]) -> Table:
    sure = f"{groups[0].first.confidence:.0%} interval"
    adjusted = Column(f"adjusted AUC ({sure})", interval("auc_adjusted", "auc_adjusted_low", "auc_adjusted_high"))
    measured = any(row.get("acquisition_auc") is not None for group in groups for row in group.first.rows)
    columns = [
        Column("score", text("shown"), number=False),
        Column(f"AUC ({sure})", interval("auc", "auc_low", "auc_high")),
        *([adjusted] if measured else []),
        Column(f"AP ({sure})", interval("ap", "ap_low", "ap_high")),
        Column("AUC over seeds", _spread("auc")),
        Column("AP over seeds", _spread("ap")),
    ]
    blocks = [
        Block(group.title, [_over_seeds(group, row["score"]) for row in group.first.rows], group.anchor)
        for group in groups
    ]
    tested = dict.fromkeys(_sum("n_normal", "n_abnormal")(group.first.rows[0]) for group in groups)
    caption = f"{dataset}: {' or '.join(tested)} test studies ({STUDIES})"
    note = _acquisition_note(groups) if measured else ""
    return Table("summary", caption, columns, blocks, note=note, bars=("auc", "auc_low", "auc_high"))


def _acquisition_note(groups: Sequence[Group]) -> str:
    """Return what the adjusted AUC means, what acquisition facts alone reach, and why an adjusted AUC is absent."""
    rows = [row for group in groups for row in group.first.rows if row.get("acquisition_auc") is not None]
    reached = interval("acquisition_auc", "acquisition_auc_low", "acquisition_auc_high")(rows[0])
    reasons = dict.fromkeys(row["adjusted_note"] for row in rows if row["adjusted_note"])
    return " ".join(
        [
            "The adjusted AUC compares abnormal and normal studies that were acquired alike (Janes and Pepe 2009).",
            f"Facts of the acquisition alone reach AUC {reached}: what is no better than that need not be disease.",
            *(f"It is undefined: {reason}." for reason in reasons),
        ]
    )


def _over_seeds(group: Group, name: str) -> dict[str, Any]:
    """Return the summary of a score over all seeds, with a mark if it has findings."""
    summary = seed_summary([row for cell in group.cells for row in cell.rows if row["score"] == name])
    marked = f"{name} {MARK}" if findings(summary) else name
    return {"group": group.title, **summary, "shown": marked, "seeds": len(group.cells)}


def _spread(key: str) -> Any:
    def show(row: Row) -> str:
        several = row["seeds"] > 1 and row.get(f"{key}_std") is not None
        return f"{fixed(row[key])} ± {fixed(row[f'{key}_std'])}" if several else ABSENT

    return show


def seeds_table(group: Group) -> Table | None:
    """Return a table of every seed of a group with its own intervals, or None for a single seed."""
    if len(group.cells) < 2:
        return None
    sure = f"{group.first.confidence:.0%} interval"
    columns = [
        Column("score", text("score"), number=False),
        Column("seed", text("seed")),
        Column(f"AUC ({sure})", interval("auc", "auc_low", "auc_high")),
        Column(f"AP ({sure})", interval("ap", "ap_low", "ap_high")),
    ]
    rows = [
        row for name in dict.fromkeys(row["score"] for row in group.first.rows) for row in _rows_of_score(group, name)
    ]
    return Table("seeds", "Each seed by itself", columns, [Block("", rows)], {"group": group.title})


def _rows_of_score(group: Group, score: str) -> list[Row]:
    return [row for cell in group.cells for row in cell.rows if row["score"] == score]
