"""Run a grid: its unfinished cells by an engine, then write the table and the report and record them in MLflow."""

from __future__ import annotations

from collections.abc import Sequence

from medad.evaluation.summary import over_seeds
from medad.experiments.grid.cells import Engine, Loaders
from medad.experiments.grid.grid import RESULTS, BenchOutcome, Grid, GridCell, alone
from medad.experiments.normal_reference import check_choices
from medad.outputs.plots import save_rate_curves
from medad.outputs.report import write_report
from medad.progress import progress
from medad.registry import methods
from medad.results.finished import charted, finished
from medad.results.row import ResultRow
from medad.tracking import Run, Tracker

RATES = "anomaly_rates.png"
CHARTED = ("auc", "auc_adjusted", "ap")  # metrics of each cell that MLflow compares over seeds and rates


def run_bench(
    grid: Grid, tracker: Tracker, loaders: Loaders, engine: Engine, title: str = "bench", allow_download: bool = False
) -> BenchOutcome:
    """Run the unfinished cells; write ``out``/results.csv after each experiment.

    ``engine`` runs the experiments; ``loaders`` are used to check all settings first. With ``allow_download``, files
    that a method needs from the network, such as weights, are fetched before the first experiment. A failed experiment
    is reported in the outcome and does not stop the others.

    Raises:
        MedadError: settings are not valid, or another bench is working in the folder.
    """
    with alone(grid.out):
        outcome = grid.outcome()
        _rehearse(grid.unfinished(), loaders, allow_download)
        with tracker.run("bench", grid.out, name=title, part=grid.digest) as parent:
            names = ",".join(sorted({experiment.dataset for experiment in grid.experiments}))
            parent.params({"datasets": names, "cells": len(grid.experiments)})
            _run_cells(grid, outcome, engine, parent, title)
            outcome.folders = [cell.folder for cell in grid.cells if finished(cell.folder) is not None]
            _record(parent, grid, outcome.rows)
        tracker.catch_up(grid.out)
    return outcome


def _run_cells(grid: Grid, outcome: BenchOutcome, engine: Engine, parent: Run, title: str) -> None:
    unfinished = grid.unfinished()
    outcome.rows = grid.write_table() if outcome.kept else []
    with progress(title, len(grid.cells)) as advance:
        advance(outcome.kept)
        for cell, trouble in engine(unfinished, parent.journal):
            if trouble is None and finished(cell.folder) is None:
                trouble = f"its results are not in {cell.folder}: do all machines of the cluster share that folder?"
            if trouble is None:
                outcome.run += 1
            else:
                outcome.failed[cell.folder.name] = trouble
            outcome.rows = grid.write_table()
            advance(1)


def _record(parent: Run, grid: Grid, rows: list[ResultRow]) -> None:
    """Record table, plots and report in MLflow, and the main metrics of each row with the seed as their step."""
    if not rows:
        return
    parent.table(grid.out / RESULTS)
    composed = [row for row in rows if row["anomaly_rate"] is not None]
    if len({row["anomaly_rate"] for row in composed}) > 1:
        save_rate_curves(grid.out / RATES, over_seeds(composed))
        parent.artifact(grid.out / RATES)
    parent.artifact(write_report(grid.out, [cell.folder for cell in grid.cells]))
    for row in rows:
        place = [str(row[key]) for key in ("dataset", "method", "variant", "network", "score") if row[key] != "-"]
        rate = row["anomaly_rate"]
        name = "/".join([*place, "as_it_came" if rate is None else f"rate{rate:g}"])
        for key, value in charted(row).items():
            if key in CHARTED:
                parent.metric(f"{name}/{key}", value, row["seed"])


def _rehearse(cells: Sequence[GridCell], loaders: Loaders, allow_download: bool) -> None:
    """Raise early the errors that would stop an experiment at its start, such as a wrong score or preset."""
    built = []
    for method, settings in {(cell.experiment.method, cell.experiment.settings) for cell in cells}:
        built.append(methods.get(method)(settings))
        built[-1].rehearse(allow_download)
        loaders(settings)
    for evaluation in {cell.experiment.evaluation for cell in cells}:
        check_choices(built, evaluation)
