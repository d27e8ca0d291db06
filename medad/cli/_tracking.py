"""Open the MLflow store that a command's options name, and fetch registered models from it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from medad.cli._common import say
from medad.cli._paths import IN_REGISTRY
from medad.cli._terminal import waiting
from medad.wording import command

if TYPE_CHECKING:
    from medad.config import Tracking
    from medad.tracking import Tracker


@dataclass(frozen=True)
class TrackingOptions:
    """The options of a command that say where its runs in ``out`` are sent; ``block`` is that of the pipeline."""

    out: Path
    uri: str | None = None
    experiment: str | None = None
    off: bool = False
    block: Tracking | None = None


@dataclass(frozen=True)
class Tracked:
    """A tracker with the store and the experiment that it sends to."""

    tracker: Tracker
    uri: str = ""
    experiment: str = ""

    def close(self, out: Path) -> None:
        """Print how to view the runs; exit with 1 if some records could not be sent."""
        if self.uri and self.tracker.trouble is None:
            typer.echo(f"runs:    {ui_command(self.uri)}")
        if self.tracker.trouble is not None:
            say(f"tracking is incomplete: {self.tracker.trouble}", err=True)
            typer.echo(f"all results are in {out}; send what is missing later with", err=True)
            track_command = command("medad", "track", out, "--tracking-uri", self.uri, "--experiment", self.experiment)
            typer.echo(f"    {track_command}", err=True)
            raise typer.Exit(1)


def where_tracked(options: TrackingOptions) -> Tracked:
    """Return where runs are sent: by the options, else the environment, else the pipeline's ``tracking`` block.

    No store is opened; the returned tracker records on disk only.
    """
    from medad.tracking import Tracker

    if options.off:
        return Tracked(Tracker())
    from medad.tracking import client, opening

    block = options.block
    chosen = opening.resolve_uri(options.uri, block.uri if block else None, options.out)
    name = options.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or (block and block.experiment) or "medad"
    return Tracked(Tracker(), client.without_password(chosen), name)


def all_sent(options: TrackingOptions) -> bool:
    """Return whether all records in ``out`` have been sent."""
    from medad.tracking import opening

    destination = where_tracked(options)
    return options.off or opening.all_sent(destination.uri, destination.experiment, options.out)


def open_tracker(options: TrackingOptions) -> Tracked:
    """Open a tracker that sends to the store given by :func:`where_tracked`."""
    destination = where_tracked(options)
    if options.off:
        return destination
    from medad.tracking import opening

    options.out.mkdir(parents=True, exist_ok=True)
    store = options.block.uri if options.block else None
    chosen = opening.resolve_uri(options.uri, store, options.out)  # with its password
    with waiting("opening MLflow's store"):
        return replace(destination, tracker=opening.open_tracker(chosen, destination.experiment, options.out))


def model_folder(model: Path, out: Path, uri: str | None) -> Path:
    """Return ``model``, or fetch the registered model models:/NAME@ALIAS to a folder below ``out``."""
    if not str(model).startswith(IN_REGISTRY):
        return model
    from medad.tracking.opening import fetch

    return fetch(str(model), uri, out)


def ui_command(uri: str) -> str:
    """Return the command that shows the runs."""
    return command("mlflow", "ui", "--backend-store-uri", uri) if uri.startswith("sqlite:") else f"open {uri}"
