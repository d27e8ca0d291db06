"""Run a grid of experiments and say what came of it: what `medad bench` and `medad demo` share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from medad.cli import _common as common

if TYPE_CHECKING:
    from medad.bench import Outcome
    from medad.config import Pipeline, Settings
    from medad.data.manifest import Manifest


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
    grid = grid.model_copy(update={"datasets": (*expand(grid.datasets, data_root), *own)})
    experiments = plan(grid, overrides, own)
    device = common.start(place.threads, place.device)
    from medad.bench import run_bench
    from medad.data.loading import Loader

    tracked = common.open_tracker(place.out, place.tracking_uri, place.experiment, place.no_tracking, grid.tracking)

    loaders: dict[tuple[object, ...], Loader] = {}

    def loader(settings: Settings) -> Loader:
        """One loader for all experiments that see images alike, so that each file is decoded once."""
        sees = (settings.size, settings.channels, settings.preset)
        return loaders.setdefault(sees, Loader(settings, device))

    outcome = run_bench(
        experiments,
        place.out,
        data_root=data_root,
        tracker=tracked.tracker,
        loader=loader,
        title=title,
        own=own,
        allow_download=place.allow_download,
    )
    return outcome, tracked


def report(outcome: Outcome, out: Path) -> None:
    """Print the table, what is missing or failed, and where to look; write the report."""
    if outcome.rows:
        common.show_results(outcome.rows)
    for name, reason in outcome.missing.items():
        typer.echo(f"missing: {name}: {reason}")
    for name, reason in outcome.failed.items():
        typer.echo(f"failed: {name}: {reason}", err=True)
    typer.echo(f"{outcome.run} experiments run, {outcome.kept} kept from before, {len(outcome.failed)} failed")
    typer.echo(f"results: {out / 'results.csv'}")
    if outcome.rows:
        from medad.outputs.report import write_report

        typer.echo(f"report:  {write_report(out)}")
