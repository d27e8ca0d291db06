"""medad track: send the runs recorded on disk to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import folder_to_read
from medad.wording import counted


def track(
    folder: Annotated[
        Path,
        typer.Argument(help="What a bench, a training or another command wrote: its --out.", callback=folder_to_read),
    ],
    tracking_uri: common.TrackingUri = None,
    experiment: common.ExperimentName = None,
) -> None:
    """Send the runs recorded in FOLDER and below to MLflow, after a server was down or to another server.

    What is there already is not sent again. Exit code 1: the server could not take all of it.
    """
    from medad.tracking.journal import TrackingError, journals

    recorded = list(journals(folder))
    if not recorded:
        raise TrackingError(f"{folder}: no run is recorded in it or below it (runs/*.jsonl)")
    tracked = tracking.open_tracker(tracking.TrackingOptions(folder, tracking_uri, experiment))
    tracked.tracker.catch_up(folder)
    tracked.close(folder)
    verb = "is" if len(recorded) == 1 else "are"
    typer.echo(f"{counted(len(recorded), 'run')} {verb} in experiment {tracked.experiment!r}")
