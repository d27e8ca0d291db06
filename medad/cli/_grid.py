"""Run a grid of experiments and print its outcome, for `medad bench` and `medad demo`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.wording import command, counted

if TYPE_CHECKING:
    from medad.config import Pipeline
    from medad.experiments.grid.cells import Engine, Loaders
    from medad.experiments.grid.grid import BenchOutcome, Grid
    from medad.manifest.manifest import Manifest
    from medad.tracking import Tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """The options that decide where a grid runs and where its results are written."""

    out: Path
    tracking_uri: str | None
    experiment: str | None
    no_tracking: bool
    device: str
    threads: int
    allow_download: bool = False
    engine: common.Engine = common.Engine.LOCAL
    address: str | None = None


def run_grid(
    grid: Pipeline,
    overrides: Mapping[str, Any],
    place: Place,
    data_root: Path | None,
    title: str,
    manifest: Manifest | None = None,
    more_follows: bool = False,
) -> tuple[BenchOutcome, tracking.Tracked]:
    """Run the grid; return its outcome and its tracker. A manifest is an additional data set with its own name.

    If everything is finished and recorded, heavy imports and opening the store are skipped, unless ``more_follows``.
    """
    from medad.datasets.class_benchmarks import expand
    from medad.experiments.grid.find import find_grid
    from medad.experiments.plan import plan

    manifest_pools = {manifest.name: manifest.pools()} if manifest else {}
    names, missing = expand(grid.datasets, data_root)
    grid = grid.model_copy(update={"datasets": (*names, *manifest_pools)})
    experiments = plan(grid, overrides, manifest_pools)
    common.log_to_stderr()
    on_cluster = place.engine is common.Engine.RAY  # the machines of a cluster have their own devices
    out = place.out.absolute() if on_cluster else place.out
    cells = find_grid(experiments, out, data_root=data_root and data_root.absolute(), manifest_pools=manifest_pools)
    cells.missing.update(missing)
    _check_available(cells)
    options = tracking.TrackingOptions(
        place.out, place.tracking_uri, place.experiment, place.no_tracking, grid.tracking
    )
    if not more_follows and cells.settled() and tracking.all_sent(options):
        return cells.outcome(), tracking.where_tracked(options)
    device = common.start(place.threads, "cpu" if on_cluster else place.device)
    from medad.experiments.grid.cells import Loaders
    from medad.experiments.grid.run import run_bench

    tracked = tracking.open_tracker(options)
    loaders = Loaders(device)
    with _engine(place, loaders, tracked.tracker) as engine:
        outcome = run_bench(cells, tracked.tracker, loaders, engine, title, place.allow_download)
    return outcome, tracked


def _check_available(grid: Grid) -> None:
    """Log the missing or broken data sets before the work begins.

    Raises:
        BenchError: no data set is available; the reasons are printed to standard error.
    """
    from medad.experiments.grid.grid import BenchError

    if not grid.cells:
        for name, reason in grid.missing.items():
            typer.echo(f"missing: {name}: {reason}", err=True)
        raise BenchError("nothing was run: none of the data sets is there; 'medad data info NAME' says how to get one")
    if without := [*grid.missing, *grid.broken]:
        log.warning("missing, broken or incomplete: %s; the reasons follow at the end", ", ".join(without))


@contextmanager
def _engine(place: Place, loaders: Loaders, tracker: Tracker) -> Iterator[Engine]:
    """Yield the engine that runs the experiments: this process, or a Ray cluster that is closed after the block."""
    if place.engine is common.Engine.LOCAL:
        from medad.experiments.grid.cells import OneByOne

        yield OneByOne(loaders, tracker)
        return
    import torch

    from medad.experiments.grid.on_ray import OnRay
    from medad.ray_cluster import Cluster

    cores = max(place.threads, len(os.sched_getaffinity(0)))
    with closing(Cluster(place.address, cores, torch.cuda.device_count())) as cluster:
        yield OnRay(cluster, place.device, place.threads, tracker)


def report(outcome: BenchOutcome, out: Path) -> None:
    """Print this bench's result table, missing data, failures and paths of the written files."""
    if outcome.rows:
        common.show_results(outcome.rows)
    for name, reason in outcome.missing.items():
        common.say(f"missing: {name}: {reason}")
    for name, reason in outcome.failed.items():
        common.say(f"failed: {name}: {reason}", err=True)
    run = counted(outcome.run, "experiment")
    typer.echo(f"{run} run, {outcome.kept} kept from before, {len(outcome.failed)} failed")
    if outcome.others:
        other_experiments = counted(outcome.others, "experiment")
        report_command = command("medad", "report", out)
        typer.echo(f"not in this table: {other_experiments} of other benches in {out}; {report_command} takes all")
    if outcome.rows:
        from medad.experiments.grid.grid import REPORT, RESULTS

        typer.echo(f"results: {out / RESULTS}")
        typer.echo(f"report:  {out / REPORT}")
