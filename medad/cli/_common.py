"""What the commands share: options, and what has to be set up before heavy imports."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medad.cli._paths import IN_REGISTRY, folder_to_read, folder_to_write, there
from medad.cli._terminal import show_table, waiting
from medad.registry import methods, networks
from medad.text import visible
from medad.wording import command

if TYPE_CHECKING:
    from medad.config import Tracking
    from medad.manifest.manifest import Manifest
    from medad.tracking import Tracker


Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="Folder for everything that is written.", callback=folder_to_write),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of the data sets, in the Med-AD layout.", callback=folder_to_read),
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a setting, for example epochs=10. Repeatable. 'medad settings METHOD' lists them.",
    ),
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
    typer.Option(
        "--data", help="Your own data: a manifest (CSV or Parquet), or the folder that holds one.", callback=there
    ),
]
Methods = Annotated[str | None, typer.Option("--methods", help=f"Comma-separated: {', '.join(methods.names())}.")]
Networks = Annotated[str | None, typer.Option("--networks", help=f"Comma-separated: {', '.join(networks.names())}.")]
PipelineName = Annotated[str, typer.Argument(help="A name that 'medad pipelines' lists, or a YAML file.")]
AllowDownload = Annotated[
    bool, typer.Option("--allow-download", help="Fetch what a method needs from the network, such as ImageNet weights.")
]
SkipUnreadable = Annotated[bool, typer.Option("--skip-unreadable", help="Leave out studies that cannot be read.")]


class Engine(StrEnum):
    """Where the work is done."""

    LOCAL = "local"
    RAY = "ray"


WhichEngine = Annotated[Engine, typer.Option("--engine", help="ray: on a cluster; needs pip install 'medad[ray]'.")]
Address = Annotated[str | None, typer.Option(help="Address of the Ray cluster; default: one on this machine.")]


class VisibleFormatter(logging.Formatter):
    """One line for each message: what a file's name or a library puts into it cannot end or turn the line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """The line, with control characters as escapes."""
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging calls it so
        """The traceback, with all but its own line ends as escapes."""
        return visible(super().formatException(ei), keep="\n")


def say(text: str, *, err: bool = False) -> None:
    """Print a line that may quote what comes from files, with control characters as escapes."""
    typer.echo(visible(text, keep="\n"), err=err)


def log_to_stderr() -> None:
    """medad's own log from INFO on, that of libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("medad").setLevel(logging.INFO)


def start(threads: int, device: str) -> str:
    """Log to standard error, calm the libraries, choose threads and device; the device's name."""
    from medad.config import ConfigError

    log_to_stderr()
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with waiting("loading PyTorch and MONAI"):
        import torch

        import medad.data.loading  # noqa: F401 - with MONAI, which every caller needs next

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {device}: {str(error).splitlines()[0]}") from None
    return device


def check_address(engine: Engine, address: str | None) -> None:
    """An address says where a cluster is, and nothing else."""
    from medad.config import ConfigError

    if address is not None and engine is not Engine.RAY:
        raise ConfigError(f"--address {address}: it belongs to --engine ray")


def read_own(path: Path | None) -> Manifest | None:
    """The manifest that --data names."""
    if path is None:
        return None
    from medad.manifest.manifest import read_manifest

    return read_manifest(path)


@dataclass(frozen=True)
class Tracked:
    """A tracker, with what to tell the user about it."""

    tracker: Tracker
    uri: str = ""
    experiment: str = ""

    def close(self, out: Path) -> None:
        """Say where the runs are; exit with 1 if not all of it got there."""
        if self.uri and self.tracker.trouble is None:
            typer.echo(f"runs:    {ui_command(self.uri)}")
        if self.tracker.trouble is not None:
            say(f"tracking is incomplete: {self.tracker.trouble}", err=True)
            typer.echo(f"all results are in {out}; send what is missing later with", err=True)
            again = command("medad", "track", out, "--tracking-uri", self.uri, "--experiment", self.experiment)
            typer.echo(f"    {again}", err=True)
            raise typer.Exit(1)


def where_tracked(
    out: Path, uri: str | None, experiment: str | None, off: bool = False, block: Tracking | None = None
) -> Tracked:
    """The options, else the environment, else the pipeline's ``tracking`` block, say where runs go; nothing is opened
    yet, and what is told to the tracker is recorded on disk alone.
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
    """Whether nothing that is recorded in ``out`` has still to be sent."""
    from medad.tracking import opening

    where = where_tracked(out, uri, experiment, off, block)
    return off or opening.all_sent(where.uri, where.experiment, out)


def open_tracker(
    out: Path, uri: str | None, experiment: str | None, off: bool = False, block: Tracking | None = None
) -> Tracked:
    """A tracker that sends to where :func:`where_tracked` says."""
    where = where_tracked(out, uri, experiment, off, block)
    if off:
        return where
    from medad.tracking import opening

    out.mkdir(parents=True, exist_ok=True)
    chosen = opening.resolve_uri(uri, block.uri if block else None, out)  # with its password
    with waiting("opening MLflow's store"):
        return replace(where, tracker=opening.open_tracker(chosen, where.experiment, out))


def model_folder(model: Path, out: Path, uri: str | None) -> Path:
    """``model`` itself, or what is behind models:/NAME@ALIAS, copied below ``out``."""
    if not str(model).startswith(IN_REGISTRY):
        return model
    from medad.tracking.opening import fetch

    return fetch(str(model), uri, out)


def names(text: str | None) -> list[str] | None:
    """ "a,b" as a list, or None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def show_results(rows: list[dict[str, Any]]) -> None:
    """Print the result table to standard output."""
    from medad.outputs.published import published_lines, read_published
    from medad.outputs.tables import legend, localization_lines, result_lines, warning_lines

    figures = read_published()
    show_table(*result_lines(rows, figures))
    headings, lines = localization_lines(rows)
    if lines:
        show_table(headings, lines)
    for line in (*legend(rows), *published_lines(rows, figures)):
        typer.echo(line)
    typer.echo(
        f"AUC and AP: mean over seeds or networks [{rows[0]['confidence']:.0%} interval over cases, of these trained "
        'models] ± standard deviation over seeds or networks; "a + b": normal + abnormal studies'
    )
    for line in warning_lines(rows):
        typer.echo(line)
    if lines:
        typer.echo("pixel metrics: on the network's grid; Dice (oracle) takes the best threshold on these very masks")
        typer.echo("a published pooled Dice is our pixel F1-max; Dice (oracle) is a mean over studies, another figure")
    typer.echo("standard deviations are estimates from a sample, with K - 1 in the denominator")


def ui_command(uri: str) -> str:
    """What to type to look at the runs."""
    return command("mlflow", "ui", "--backend-store-uri", uri) if uri.startswith("sqlite:") else f"open {uri}"
