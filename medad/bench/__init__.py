"""A grid of experiments: datasets x methods x networks x seeds; what is finished is not run again.

This process decides what is to do and collects the rows; cells.py or on_ray.py has the experiments run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medad.bench.cells import Cell, Engine, Loaders
from medad.data.datasets._dataset import MissingDataset
from medad.data.splits import Pools, SplitError, compose, default_count
from medad.evaluation.normals import check_choices
from medad.evaluation.summary import over_seeds
from medad.experiment import figures, finished
from medad.files import write_records
from medad.outputs.plots import save_rate_curves
from medad.outputs.report import write_report
from medad.plan import Experiment
from medad.progress import progress
from medad.registry import datasets, methods
from medad.tracking import Run, Tracker
from medad.types import MedadError

log = logging.getLogger(__name__)
RESULTS = "results.csv"
RATES = "anomaly_rates.png"


@dataclass
class Outcome:
    """What a bench did: rows and folders of all that is finished, and what is not, each with its reason."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    kept: int = 0
    run: int = 0


def run_bench(
    experiments: list[Experiment],
    out: Path,
    *,
    data_root: Path | None,
    tracker: Tracker,
    loaders: Loaders,
    engine: Engine,
    title: str = "bench",
    own: Mapping[str, Pools] = MappingProxyType({}),
    allow_download: bool = False,
) -> Outcome:
    """Run what is not finished; write ``out``/results.csv after each experiment. ``own`` are data sets by manifest.
    ``engine`` runs the experiments; ``loaders`` are for the rehearsal of all of them that comes first.

    With ``allow_download``, what a method needs from the network, such as weights, is fetched before the first one.

    A dataset that is missing or broken, or an experiment that fails, is reported in the outcome and does not stop the
    others.

    Raises:
        MedadError: settings that cannot be run; or every dataset is broken.
    """
    out.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    pools = _find(experiments, own, data_root, out, outcome)
    todo = _same_size([one for one in experiments if one.dataset in pools], pools)
    folders = [out / "cells" / one.name(pools[one.dataset].digest()) for one in todo]
    _rehearse(todo, pools, loaders, allow_download)
    with tracker.run("bench", out, name=title) as parent:
        parent.params({"datasets": ",".join(sorted({one.dataset for one in experiments})), "cells": len(experiments)})
        cells = [Cell(one, pools[one.dataset], folder) for one, folder in zip(todo, folders, strict=True)]
        unfinished = [cell for cell in cells if finished(cell.folder, cell.experiment.evaluation) is None]
        outcome.kept = len(cells) - len(unfinished)
        outcome.rows = _collect(out, folders) if outcome.kept else []
        with progress(title, len(cells)) as advance:
            advance(outcome.kept)
            for cell, trouble in engine(unfinished, parent.journal):
                if trouble is None and finished(cell.folder) is None:
                    trouble = f"its results are not in {cell.folder}: do all machines of the cluster share that folder?"
                if trouble is None:
                    outcome.run += 1
                else:
                    outcome.failed[cell.folder.name] = trouble
                outcome.rows = _collect(out, folders)
                advance(1)
        outcome.folders = [folder for folder in folders if finished(folder) is not None]
        _record(parent, out, outcome.rows)
    tracker.catch_up(out)
    return outcome


def _record(parent: Run, out: Path, rows: list[dict[str, Any]]) -> None:
    """The table of all cells and its figures; each value also as a metric, with the seed as its step."""
    if not rows:
        return
    parent.table(out / RESULTS)
    composed = [row for row in rows if row["anomaly_rate"] is not None]
    if len({row["anomaly_rate"] for row in composed}) > 1:
        save_rate_curves(out / RATES, over_seeds(composed))
        parent.artifact(out / RATES)
    parent.artifact(write_report(out))
    for row in rows:
        place = [str(row[key]) for key in ("dataset", "method", "variant", "network", "score") if row[key] != "-"]
        rate = row["anomaly_rate"]
        name = "/".join([*place, "as_it_came" if rate is None else f"rate{rate:g}"])
        for key, value in figures(row).items():
            parent.metric(f"{name}/{key}", value, row["seed"])


def _same_size(experiments: list[Experiment], pools: dict[str, Pools]) -> list[Experiment]:
    """The experiments with one size of the unlabeled set for all anomaly rates of a dataset, where none is given."""
    rates: dict[str, set[float]] = {}
    for one in experiments:
        rates.setdefault(one.dataset, set()).add(one.settings.anomaly_rate)

    def sized(one: Experiment) -> Experiment:
        if len(rates[one.dataset]) == 1:
            return one
        count = one.settings.unlabeled or default_count(pools[one.dataset], sorted(rates[one.dataset]))
        return replace(one, settings=one.settings.model_copy(update={"unlabeled": count}))

    return [sized(one) for one in experiments]


def _find(
    experiments: list[Experiment], own: Mapping[str, Pools], data_root: Path | None, out: Path, outcome: Outcome
) -> dict[str, Pools]:
    pools, broken = {}, []
    for name in dict.fromkeys(one.dataset for one in experiments):
        try:
            pools[name] = own[name] if name in own else datasets.get(name).pools(data_root, out)
            _check(name, pools[name])
        except MissingDataset as error:
            outcome.missing[name] = str(error)
            log.warning("skipped: %s", error)
        except MedadError as error:
            pools.pop(name, None)
            broken.append(error)
            outcome.failed[name] = str(error)
            log.error("failed: %s: %s", name, error)
    if broken and not pools:
        raise broken[0]
    return pools


def _check(name: str, pools: Pools) -> None:
    """Raise now what would end every experiment on a dataset, most of them after their training."""
    if not pools.normal:
        raise SplitError(f"{name}: a benchmark needs known normal studies, and there are none")
    if why := pools.untestable():
        raise SplitError(f"{name}: {why}")


def _rehearse(
    experiments: list[Experiment],
    pools: dict[str, Pools],
    loaders: Loaders,
    allow_download: bool,
) -> None:
    """Raise now what would end an experiment at its start: a wrong rate, score or preset."""
    for name in {one.dataset for one in experiments}:
        rates = {one.settings.anomaly_rate for one in experiments if one.dataset == name}
        if pools[name].unknown and len(rates) > 1:
            raise SplitError(f"{name}: no anomaly rates can be composed, for not every unlabeled study has a label")
    for dataset, settings in {(one.dataset, one.settings) for one in experiments}:
        compose(pools[dataset], settings.anomaly_rate, settings.unlabeled)
    built = []
    for method, settings in {(one.method, one.settings) for one in experiments}:
        built.append(methods.get(method)(settings))
        built[-1].rehearse(allow_download)
        loaders(settings)
    for evaluation in {one.evaluation for one in experiments}:
        check_choices(built, evaluation)


def _collect(out: Path, folders: list[Path]) -> list[dict[str, Any]]:
    """All finished rows, in the order of the grid; they are also written to disk."""
    rows = [row for folder in folders for row in finished(folder) or ()]
    write_records(out / RESULTS, rows)
    return rows
