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


def where_tracked(
    out: Path, uri: str | None, experiment: str | None, off: bool = False, block: Tracking | None = None
) -> Tracked:
    """Return where runs are sent: by the options, else the environment, else the pipeline's ``tracking`` block.

    No store is opened; the returned tracker records on disk only.
    """
    from medad.tracking import Tracker

    if off:
        return Tracked(Tracker())
    from medad.tracking import client, opening

    chosen = opening.resolve_uri(uri, block.uri if block else None, out)
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or (block and block.experiment) or "medad"
    return Tracked(Tracker(), client.without_password(chosen), name)


def all_sent(
    out: Path, uri: str | None, experiment: str | None, off: bool = False, block: Tracking | None = None
) -> bool:
    """Return whether all records in ``out`` have been sent."""
    from medad.tracking import opening

    destination = where_tracked(out, uri, experiment, off, block)
    return off or opening.all_sent(destination.uri, destination.experiment, out)


def open_tracker(
    out: Path, uri: str | None, experiment: str | None, off: bool = False, block: Tracking | None = None
) -> Tracked:
    """Open a tracker that sends to the store given by :func:`where_tracked`."""
    destination = where_tracked(out, uri, experiment, off, block)
    if off:
        return destination
    from medad.tracking import opening

    out.mkdir(parents=True, exist_ok=True)
    chosen = opening.resolve_uri(uri, block.uri if block else None, out)  # with its password
    with waiting("opening MLflow's store"):
        return replace(destination, tracker=opening.open_tracker(chosen, destination.experiment, out))


def model_folder(model: Path, out: Path, uri: str | None) -> Path:
    """Return ``model``, or fetch the registered model models:/NAME@ALIAS to a folder below ``out``."""
    if not str(model).startswith(IN_REGISTRY):
        return model
    from medad.tracking.opening import fetch

    return fetch(str(model), uri, out)


def ui_command(uri: str) -> str:
    """Return the command that shows the runs."""
    return command("mlflow", "ui", "--backend-store-uri", uri) if uri.startswith("sqlite:") else f"open {uri}"
