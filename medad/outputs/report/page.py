"""Assemble and write the report page and its CSV tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from medad import __version__
from medad.evaluation.comparing import compare_entries, evaluation_of
from medad.evaluation.entries import read_entries
from medad.evaluation.findings import MARK, finding_lines
from medad.evaluation.headline import headline, standings
from medad.files import write_text
from medad.outputs.report import figures
from medad.outputs.report.alarms import alarm_figure, alarm_table
from medad.outputs.report.card import RESEARCH, ModelCard, cell_limits, model_card, pairs_table
from medad.outputs.report.compare import comparison_tables
from medad.outputs.report.figures import Figure
from medad.outputs.report.measures import pixels_table, points_table
from medad.outputs.report.pictured import Pictured, pictured
from medad.outputs.report.results import runs_table, seeds_table, seeds_text, summary_tables
from medad.outputs.report.subgroups import subgroup_table
from medad.outputs.report.svg import Drawing
from medad.outputs.report.table import Table, fixed, write_csv
from medad.progress import progress
from medad.results.cell import Cell, read_records
from medad.results.read import Group, Results, read_results
from medad.text import on_page
from medad.wording import counted

PAGE, TWINS = "report.html", "report"
PICTURE_BUDGET = 6 * 2**20  # bytes of all case pictures of a page
OPEN = 2  # maximum number of groups that are unfolded initially
SIZE_MARK = "@@SIZE@@"
TRAINED_ONLY = "This model was trained and not tested here: there are no results to trust or to doubt."


@dataclass(frozen=True)
class Section:
    """The content of the page's section about one group."""

    anchor: str
    title: str
    brief: str
    lead: str
    figures: Sequence[Figure]
    histograms: Sequence[Figure]
    alarms: Figure | None
    tables: Sequence[Table]
    cases: Pictured | None
    losses: Sequence[Figure]
    card: ModelCard | None
    gaps: Sequence[str]


@dataclass(frozen=True)
class Untested:
    """A trained model without test results."""

    title: str
    losses: Sequence[Figure]
    card: ModelCard


def write_report(folder: Path, cells_of: Collection[Path] | None = None) -> Path:
    """Write ``folder``/report.html, and its tables as CSV files in ``folder``/report; return the page's path.

    ``cells_of`` are the cell folders of one bench; the page covers only these.

    Raises:
        NoResults: ``folder`` has neither results nor a model.
    """
    results = read_results(folder, cells_of)
    drawing = Drawing()
    sections = []
    with progress("report", len(results.groups)) as advance:
        for group in results.groups:
            sections.append(_section(group, PICTURE_BUDGET // len(results.groups), drawing))
            advance(1)
    models = [_untested(folder, place, card, drawing) for place, card in results.models]
    runs = runs_table(results) if results.groups else None
    summaries = summary_tables(results)
    pool, evaluation = read_entries([results]), evaluation_of(results)
    comparisons = [compare_entries(pool, question, evaluation) for question in ("method", "score")]
    tests = comparison_tables(comparisons)
    summed = [standing.summary for standing in standings(results)]
    environment = _environment(results)
    cards = [section.card for section in sections if section.card] + [model.card for model in models]
    tables = [
        *([runs] if runs else []),
        *summaries,
        *tests,
        *(table for section in sections for table in section.tables),
        *(table for card in cards for table in (card.settings, card.data)),
        *([environment] if environment else []),
    ]
    write_csv(tables, folder / TWINS)
    page = _render(
        title=folder.resolve().name,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        results=results,
        lead=_lead(results),
        headline=headline(results, comparisons[0]),
        warnings=[f"{MARK} {line}" for line in finding_lines(summed)],
        runs=runs,
        summaries=summaries,
        comparisons=tests,
        left_out=list(dict.fromkeys(sentence for answers in comparisons for sentence in answers.left_out)),
        rates=figures.rates(results.groups, drawing),
        sections=sections,
        models=models,
        environment=environment,
    )
    write_text(folder / PAGE, page.replace(SIZE_MARK, f"{len(page.encode()) / 2**20:.1f} MiB"))
    return folder / PAGE


def _lead(results: Results) -> str:
    cells = sum(len(group.cells) for group in results.groups)
    datasets = {str(group.first.rows[0]["dataset"]) for group in results.groups}
    if not cells:
        return TRAINED_ONLY if results.models else "No experiment in this folder has finished."
    waiting = f"; {len(results.unfinished)} not finished" if results.unfinished else ""
    groups, difference = len(results.groups), ""
    if cells > 1:
        difference = (
            ", all alike but for the seed" if groups == 1 else f", in {groups} groups that differ in more than the seed"
        )
    return f"{counted(cells, 'experiment')} on {counted(len(datasets), 'dataset')}{difference}{waiting}."


def _section(group: Group, budget: int, drawing: Drawing) -> Section:
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


def _untested(folder: Path, place: Path, card: dict[str, Any], drawing: Drawing) -> Untested:
    name = str(place.relative_to(folder)) if place != folder else folder.resolve().name
    metrics, _ = read_records(place.parent)
    return Untested(name, figures.losses(metrics, drawing), model_card(name, card, [RESEARCH, TRAINED_ONLY]))


def _environment(results: Results) -> Table | None:
    """Return a table of code, packages and hardware of all runs, with all values if runs differ; None without any."""
    values_by_key: dict[str, list[str]] = {}
    for cell in (cell for group in results.groups for cell in group.cells):
        about = {"version.medad": str((cell.card or {}).get("medad", ""))} | cell.facts
        for key, value in about.items():
            if value and value not in values_by_key.setdefault(key, []):
                values_by_key[key].append(value)
    facts = {_fact_name(key): " or ".join(values) for key, values in values_by_key.items() if values and _is_fact(key)}
    return pairs_table("environment", "Code, packages and hardware", "", facts) if facts else None


def _fact_name(key: str) -> str:
    return key.removeprefix("mlflow.source.").removeprefix("version.").replace(".", " ")


def _is_fact(key: str) -> bool:
    return key.startswith(("version.", "hardware.")) or "git" in key


def _render(**context: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("medad.outputs.report", "."),
        autoescape=True,
        finalize=on_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = Markup(resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8"))
    template = environment.get_template("report.html.j2")
    return str(
        template.render(
            **context, css=css, version=__version__, size=SIZE_MARK, twins=TWINS, research=RESEARCH, open_groups=OPEN
        )
    )
