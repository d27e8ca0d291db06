"""Assemble and write the report page and its CSV tables."""

from __future__ import annotations

from collections.abc import Collection
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
from medad.outputs.report.card import RESEARCH, pairs_table
from medad.outputs.report.compare import comparison_tables
from medad.outputs.report.results import runs_table, summary_tables
from medad.outputs.report.sections import TRAINED_ONLY, Section, group_section, untested_model
from medad.outputs.report.svg import Drawing
from medad.outputs.report.table import Table, write_csv
from medad.progress import progress
from medad.results.read import Results, read_results
from medad.text import on_page
from medad.wording import counted

PAGE, TWINS = "report.html", "report"
PICTURE_BUDGET = 6 * 2**20  # bytes of all case pictures of a page
OPEN = 2  # maximum number of groups that are unfolded initially
SIZE_MARK = "@@SIZE@@"


def write_report(folder: Path, cells_of: Collection[Path] | None = None) -> Path:
    """Write ``folder``/report.html, and its tables as CSV files in ``folder``/report; return the page's path.

    ``cells_of`` are the cell folders of one bench; the page covers only these.

    Raises:
        NoResults: ``folder`` has neither results nor a model.
    """
    results = read_results(folder, cells_of)
    drawing = Drawing()
    sections = _sections(results, drawing)
    models = [untested_model(folder, place, card, drawing) for place, card in results.models]
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


def _sections(results: Results, drawing: Drawing) -> list[Section]:
    """Return the section of each group; the groups share the budget for pictures equally."""
    sections = []
    with progress("report", len(results.groups)) as advance:
        for group in results.groups:
            sections.append(group_section(group, PICTURE_BUDGET // len(results.groups), drawing))
            advance(1)
    return sections


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
