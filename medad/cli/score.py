"""medad score: score every image in a folder."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import check_model, there
from medad.cli._scoring_exported import is_exported, score_exported

if TYPE_CHECKING:
    from medad.scoring import Summary

SHOWN = 10


class Heatmaps(StrEnum):
    """The studies that get a heatmap."""

    FLAGGED = "flagged"
    ALL = "all"
    NONE = "none"


def score(
    model: Annotated[
        Path, typer.Argument(help="Model folder, models:/NAME@candidate in MLflow, or an exported .onnx file.")
    ],
    folder: Annotated[
        Path, typer.Argument(help="Folder of DICOM, NIfTI and raster files, or one file.", callback=there)
    ],
    out: common.Out,
    decides: Annotated[
        str, typer.Option("--score", help="Score that ranks and flags; default: the one that the model's card names.")
    ] = "",
    drawn: Annotated[
        str, typer.Option("--map", help="Score whose map is drawn; default: the one that the model's card names.")
    ] = "",
    heatmaps: Annotated[
        Heatmaps,
        typer.Option(help="Studies to draw on the grid of their source (a second and 10 MB for a large radiograph)."),
    ] = Heatmaps.FLAGGED,
    alpha: Annotated[float, typer.Option(help="Flag p-values up to this, if the model has calibration scores.")] = 0.05,
    threshold: Annotated[float | None, typer.Option(help="Flag scores above this.")] = None,
    point: Annotated[str | None, typer.Option(help="Flag scores from this operating point of the model on.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Score also what is unlike the training images.")] = False,
    uids: Annotated[bool, typer.Option("--uids", help="Put DICOM UIDs into the table.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Score each volume of a 4-D file, and each page of a TIFF, by itself.")
    ] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Follow links to files outside the folder.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read; 0: one for each core.")] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that reading one file may take.")] = 300.0,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    max_failed: Annotated[
        float,
        typer.Option(min=0, max=1, help="Stop once more than this share of all images failed; from 100 on."),
    ] = 0.5,
    watch: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Go on with what arrives, looking this often; 0: once.")
    ] = 0.0,
    engine: common.WhichEngine = common.Engine.LOCAL,
    address: common.Address = None,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the results in OUT and start anew.")] = False,
    track: Annotated[
        bool,
        typer.Option("--track", help="Record counts, flagged share and duration in MLflow, and no file."),
    ] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store or server: where a models:/ model is, and where --track records.")
    ] = None,
    experiment: common.ExperimentName = None,
    device: common.Device = "auto",
    threads: common.Threads = 0,
) -> None:
    """Score every study below FOLDER; write OUT/scores.csv, scores.parquet, triage.html and pictures.

    The columns NAME_percentile and NAME_p compare a study with the normals that were held out of the model's training,
    and are not there if none were; flagged_by names the rules that flag it.

    Exit code 0: every file is scored or skipped; 1: some failed, each with its reason in the table, or there is no
    file; 2: wrong input, or the run had to stop; 130: interrupted. The same command goes on after an interruption,
    however it came about, and scores only what is new or has changed.
    """
    from medad.config import ConfigError

    common.check_address(engine, address)
    exported = is_exported(model)
    if not exported:
        check_model(model)
        _check_names(model, decides, point)
    if experiment is not None and not track:
        raise ConfigError(f"--experiment {experiment}: it belongs to --track")
    from medad.scoring.settings import ScoreSettings

    settings = ScoreSettings(
        score=decides,
        map=drawn,
        heatmaps=heatmaps.value,
        force=force,
        uids=uids,
        split=split,
        follow_links=follow_links,
        alpha=alpha,
        threshold=threshold,
        point=point,
        workers=workers,
        timeout=timeout,
        retry_failed=retry_failed,
        max_failed=max_failed,
        watch=watch,
        engine=engine.value,
        address=address,
        device=device,
    )
    if exported:
        summary = score_exported(model, folder, out, settings, restart=restart, threads=threads, track=track)
        _finish(summary, folder, out)
        return
    on_cluster = engine is common.Engine.RAY  # the machines of a cluster have their own devices
    model_device = common.start(threads, "cpu" if on_cluster else device, monai=False)
    from medad.model import load
    from medad.scoring import score_folder
    from medad.scoring.recording import score_recorded

    loaded = load(tracking.model_folder(model, out, tracking_uri), model_device)
    tracked = tracking.open_tracker(out, tracking_uri, experiment, off=not track)
    if track:
        summary = score_recorded(loaded, folder, out, settings, tracked.tracker, restart=restart)
    else:
        summary = score_folder(loaded, folder, out, settings, restart=restart)
    _report(summary, folder, out)
    tracked.close(out)
    _exit_by(summary)


def _finish(summary: Summary, folder: Path, out: Path) -> None:
    """Report the summary of an exported model's run, and exit by it."""
    _report(summary, folder, out)
    _exit_by(summary)


def _exit_by(summary: Summary) -> None:
    """Exit with 1 if a study failed or there was no file."""
    if summary.counts["failed"] or not sum(summary.counts.values()):
        raise typer.Exit(1)


def _report(summary: Summary, folder: Path, out: Path) -> None:
    """Print the numbers of scored, skipped and failed files, and the reasons of the first failures."""
    from medad.scoring import TABLE

    counts = summary.counts
    typer.echo(
        f"{counts['scored']} scored, {counts['skipped']} skipped, {counts['failed']} failed "
        f"({summary.kept} of these kept from before): {out / TABLE}"
    )
    for reason in summary.reasons[:SHOWN]:
        common.say(f"failed: {reason}", err=True)
    if counts["failed"] > SHOWN:
        typer.echo(f"... and {counts['failed'] - SHOWN} more, in {out / TABLE}", err=True)
    if not sum(counts.values()):
        typer.echo(f"{folder} holds no file", err=True)


def _check_names(model: Path, decides: str, point: str | None) -> None:
    """Check before loading the model that its card names the score ``decides`` and the operating point ``point``.

    Raises:
        ConfigError: the model does not have the score or the operating point.
    """
    from medad.config import ConfigError
    from medad.model_files import CARD

    try:
        card = json.loads((model / CARD).read_text(encoding="utf-8"))
        scores, points = list(card["map_scale"]), {name for of in card["thresholds"].values() for name in of}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # loading the model reports the error
        return
    if decides and decides not in scores:
        raise ConfigError(f"--score {decides}: this model has {', '.join(scores)}")
    if point is not None and point not in points:
        raise ConfigError(f"--point {point}: this model has {', '.join(sorted(points)) or 'no operating point'}")
