"""Run a grid of experiments and say what came of it: what `medad bench` and `medad demo` share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from medad.cli import _common as common

if TYPE_CHECKING:
    from medad.bench import Outcome
    from medad.bench.cells import Engine, Loaders
    from medad.config import Pipeline
    from medad.data.manifest import Manifest
    from medad.tracking import Tracker


@dataclass(frozen=True)
class Place:
    """Where a grid runs and where its results go."""

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
) -> tuple[Outcome, common.Tracked]:
    """The outcome, and where it was recorded. A manifest is one more data set, called by its name."""
    from medad.data.datasets._classes import expand
    from medad.plan import plan

    own = {manifest.name: manifest.pools()} if manifest else {}
    names, missing = expand(grid.datasets, data_root)
    grid = grid.model_copy(update={"datasets": (*names, *own)})
    experiments = plan(grid, overrides, own)
    on_cluster = place.engine is common.Engine.RAY  # whose machines have devices of their own
    device = common.start(place.threads, "cpu" if on_cluster else place.device)
    from medad.bench import run_bench
    from medad.bench.cells import Loaders

    tracked = common.open_tracker(place.out, place.tracking_uri, place.experiment, place.no_tracking, grid.tracking)
    loaders = Loaders(device)
    with _engine(place, loaders, tracked.tracker) as engine:
        outcome = run_bench(
            experiments,
            place.out.absolute() if on_cluster else place.out,
            data_root=data_root and data_root.absolute(),
            tracker=tracked.tracker,
            loaders=loaders,
            engine=engine,
            title=title,
            own=own,
            allow_download=place.allow_download,
        )
    outcome.missing |= missing
    return outcome, tracked


@contextmanager
def _engine(place: Place, loaders: Loaders, tracker: Tracker) -> Iterator[Engine]:
    """What runs the experiments: this process, or a cluster that is left, or ended, with the block."""
    if place.engine is common.Engine.LOCAL:
        from medad.bench.cells import OneByOne

        yield OneByOne(loaders, tracker)
        return
    import torch

    from medad.bench.on_ray import OnRay
    from medad.cluster import Cluster

    cores = max(place.threads, len(os.sched_getaffinity(0)))
    with closing(Cluster(place.address, cores, torch.cuda.device_count())) as cluster:
        yield OnRay(cluster, place.device, place.threads, tracker)


def report(outcome: Outcome, out: Path) -> None:
    """Print the table, what is missing or failed, and where to look."""
    if outcome.rows:
        common.show_results(outcome.rows)
    for name, reason in outcome.missing.items():
        common.say(f"missing: {name}: {reason}")
    for name, reason in outcome.failed.items():
        common.say(f"failed: {name}: {reason}", err=True)
    typer.echo(f"{outcome.run} experiments run, {outcome.kept} kept from before, {len(outcome.failed)} failed")
    typer.echo(f"results: {out / 'results.csv'}")
    if outcome.rows:
        from medad.outputs.report import PAGE

        typer.echo(f"report:  {out / PAGE}")
