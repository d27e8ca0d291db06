"""Assemble the sections of the report page: one for each group of experiments, and one for each untested model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medad.outputs.report import figures
from medad.outputs.report.alarms import alarm_figure, alarm_table
from medad.outputs.report.card import RESEARCH, ModelCard, cell_limits, model_card
from medad.outputs.report.figures import Chart
from medad.outputs.report.measures import pixels_table, points_table
from medad.outputs.report.pictured import Pictured, pictured
from medad.outputs.report.results import seeds_table, seeds_text
from medad.outputs.report.subgroups import subgroup_table
from medad.outputs.report.svg import Drawing
from medad.outputs.report.table import Table, fixed
from medad.results.cell import Cell, read_records
from medad.results.read import Group

TRAINED_ONLY = "This model was trained and not tested here: there are no results to trust or to doubt."


@dataclass(frozen=True)
class Section:
    """The content of the page's section about one group."""

    anchor: str
    title: str
    brief: str
    lead: str
    figures: Sequence[Chart]
    histograms: Sequence[Chart]
    alarms: Chart | None
    tables: Sequence[Table]
    cases: Pictured | None
    losses: Sequence[Chart]
    card: ModelCard | None
    gaps: Sequence[str]


@dataclass(frozen=True)
class Untested:
    """A trained model without test results."""

    title: str
    losses: Sequence[Chart]
    card: ModelCard


def group_section(group: Group, budget: int, drawing: Drawing) -> Section:
    cell, alarm = group.first, alarm_table(group)
    tables = [seeds_table(group), points_table(group), pixels_table(group), alarm, subgroup_table(group)]
    case_pictures = pictured(cell, budget)
    gaps = list(cell.gaps)
    if alarm is None:
        gaps.append("No calibration: the model has no scores of held-out normals, so no false-alarm rate is shown.")
    if case_pictures is None:
        gaps.append("No case pictures: none were written when this cell ran.")
    named = ", ".join(f"{row['score']} = {row['title']}" for row in cell.rows)
    return Section(
        anchor=group.anchor,
        title=group.title,
        brief=_brief(group),
        lead=f"Scores: {named}. Curves show all seeds; all else is of seed {cell.seed}, the lowest.{_members(cell)}",
        figures=figures.curves(group, drawing),
        histograms=figures.histograms(group, drawing),
        alarms=alarm_figure(group, drawing),
        tables=[table for table in tables if table is not None],
        cases=case_pictures,
        losses=figures.losses(cell.metrics, drawing),
        card=model_card(group.title, cell.card, cell_limits(group)) if cell.card else None,
        gaps=gaps,
    )


def _members(cell: Cell) -> str:
    """Return a sentence that explains the AUC of scores whose networks are evaluated separately, or ""."""
    names = [row["score"] for row in cell.rows if row.get("auc_std") is not None]
    if not names:
        return ""
    return (
        f" {', '.join(names)}: AUC and AP, in tables and paired tests, are the mean over the networks that are judged "
        "one by one; curves, histograms, operating points and cases are those of their mean score, which has another "
        "AUC."
    )


def _brief(group: Group) -> str:
    """Return the range of the AUCs and the seeds, shown in the heading of a folded group."""
    aucs = [row["auc"] for cell in group.cells for row in cell.rows if row["auc"] is not None]
    span = " to ".join(dict.fromkeys(fixed(end(aucs)) for end in (min, max))) if aucs else "undefined"
    return f"AUC {span}, {'seed' if len(group.cells) == 1 else 'seeds'} {seeds_text(group)}"


def untested_model(folder: Path, place: Path, card: dict[str, Any], drawing: Drawing) -> Untested:
    name = str(place.relative_to(folder)) if place != folder else folder.resolve().name
    metrics, _ = read_records(place.parent)
    return Untested(name, figures.losses(metrics, drawing), model_card(name, card, [RESEARCH, TRAINED_ONLY]))
