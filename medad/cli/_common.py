"""Define the options and set-up functions that the commands share."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medad.cli._paths import folder_to_read, folder_to_write, there
from medad.cli._terminal import show_table, waiting
from medad.registry import methods, networks
from medad.text import visible

if TYPE_CHECKING:
    from medad.manifest.manifest import Manifest
    from medad.results.row import ResultRow


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
    """The place where experiments and readers run: this machine or a Ray cluster."""

    LOCAL = "local"
    RAY = "ray"


WhichEngine = Annotated[Engine, typer.Option("--engine", help="ray: on a cluster; needs pip install 'medad[ray]'.")]
Address = Annotated[str | None, typer.Option(help="Address of the Ray cluster; default: one on this machine.")]


class VisibleFormatter(logging.Formatter):
    """Formats each message as one line; control characters from file names or libraries are escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """Return the line with control characters escaped."""
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging calls it so
        """Return the traceback with control characters other than line ends escaped."""
        return visible(super().formatException(ei), keep="\n")


def say(text: str, *, err: bool = False) -> None:
    """Print text that may quote file contents, with control characters escaped."""
    typer.echo(visible(text, keep="\n"), err=err)


def log_to_stderr() -> None:
    """Log to standard error: medad from level INFO, libraries from level WARNING."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("medad").setLevel(logging.INFO)


def start(threads: int, device: str, monai: bool = True) -> str:
    """Set up logging, warnings and threads; return the name of the device to use.

    Import PyTorch, and with ``monai`` what every caller that trains or evaluates needs next: scoring does without.

    Raises:
        ConfigError: the device does not exist or cannot be used.
    """
    from medad.config import ConfigError

    log_to_stderr()
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with waiting("loading PyTorch and MONAI" if monai else "loading PyTorch"):
        import torch

        if monai:
            import medad.data.loading  # noqa: F401 - imports MONAI, which takes seconds, under this message

    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"--device {device}: {str(error).splitlines()[0]}") from None
    return device


def check_address(engine: Engine, address: str | None) -> None:
    """Check that a cluster address is only used with the Ray engine.

    Raises:
        ConfigError: ``address`` is set and ``engine`` is not Ray.
    """
    from medad.config import ConfigError

    if address is not None and engine is not Engine.RAY:
        raise ConfigError(f"--address {address}: it belongs to --engine ray")


def read_own(path: Path | None) -> Manifest | None:
    """Read the manifest of the option --data, or return None without one."""
    if path is None:
        return None
    from medad.manifest.reading import read_manifest

    return read_manifest(path)


def names(text: str | None) -> list[str] | None:
    """Split "a,b" into a list of names; None stays None."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def show_results(rows: Sequence[ResultRow]) -> None:
    """Print the result table to standard output."""
    from medad.outputs.published import published_lines, read_published
    from medad.outputs.tables import acquisition_lines, legend, localization_lines, result_lines, warning_lines

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
    for line in (*acquisition_lines(rows), *warning_lines(rows)):
        typer.echo(line)
    if lines:
        typer.echo("pixel metrics: on the network's grid; Dice (oracle) takes the best threshold on these very masks")
        typer.echo("a published pooled Dice is our pixel F1-max; Dice (oracle) is a mean over studies, another figure")
    typer.echo("standard deviations are estimates from a sample, with K - 1 in the denominator")
