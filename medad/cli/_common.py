"""What the commands share: options, and what has to be set up before heavy imports."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medad.data.manifest import Manifest
    from medad.tracking import Tracker

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for everything that is written.")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example epochs=10. Repeatable.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto: a GPU if there is one.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: as many as there are cores.")]
TrackingUri = Annotated[
    str | None,
    typer.Option(help="MLflow store or server. Default: MLFLOW_TRACKING_URI, else sqlite in the output folder."),
]
ExperimentName = Annotated[
    str | None, typer.Option("--experiment", help="MLflow experiment. Default: MLFLOW_EXPERIMENT_NAME, else medad.")
]
NoTracking = Annotated[bool, typer.Option("--no-tracking", help="Record nothing in MLflow.")]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Your own data: a manifest (CSV or Parquet), or the folder that holds one."),
]
SkipUnreadable = Annotated[bool, typer.Option("--skip-unreadable", help="Leave out studies that cannot be read.")]


def log_to_stderr() -> None:
    """medad's own log from INFO on, that of libraries from WARNING on."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("medad").setLevel(logging.INFO)


def start(threads: int, device: str) -> str:
    """Log to standard error, calm the libraries, choose threads and device; the device's name."""
    from medad.config import ConfigError

    log_to_stderr()
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    import torch

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {device}: {str(error).splitlines()[0]}") from None
    return device


def read_own(path: Path | None) -> Manifest | None:
    """The manifest that --data names."""
    if path is None:
        return None
    from medad.data.manifest import read_manifest

    return read_manifest(path)


def open_tracker(out: Path, uri: str | None, experiment: str | None, off: bool) -> tuple[Tracker, str]:
    """The tracker, and the URI to show to the user ("" where nothing is tracked)."""
    if off:
        from medad.tracking import MemoryTracker

        return MemoryTracker(), ""
    from medad.tracking.mlflow import MlflowTracker, resolve_uri

    out.mkdir(parents=True, exist_ok=True)
    chosen = resolve_uri(uri, out)
    return MlflowTracker(chosen, experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "medad", out), chosen


def names(text: str | None) -> list[str] | None:
    """ "a,b" as a list, or None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def show_results(rows: list[dict[str, Any]]) -> None:
    """Print the result table to standard output."""
    from rich.console import Console
    from rich.table import Table

    from medad.outputs.published import published_lines, read_published
    from medad.outputs.tables import legend, result_lines

    figures = read_published()
    headings, lines = result_lines(rows, figures)
    table = Table(*headings)
    for line in lines:
        table.add_row(*line)
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(table)
    for line in (*legend(rows), *published_lines(rows, figures)):
        typer.echo(line)
    typer.echo('AUC and AP: mean ± standard deviation; "a + b": normal + abnormal studies')


def ui_command(uri: str) -> str:
    """What to type to look at the runs."""
    return f"mlflow ui --backend-store-uri {uri}" if uri.startswith("sqlite:") else f"open {uri}"
