"""medad score: score every case in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medad.cli import _common as common
from medad.cli import _tracking as tracking
from medad.cli._paths import check_model, there
from medad.cli._scoring_exported import is_exported, score_exported
from medad.cli._settings_options import with_settings
from medad.config import ConfigError
from medad.model_files import CARD
from medad.scoring.core.settings import TABLE, ScoreSettings

if TYPE_CHECKING:
    from medad.scoring import Summary

SHOWN = 10


@with_settings(ScoreSettings, watch={"metavar": "SECONDS"})
def score(
    model: Annotated[
        Path, typer.Argument(help="Model folder, models:/NAME@candidate in MLflow, or an exported .onnx file.")
    ],
    folder: Annotated[
        Path, typer.Argument(help="Folder of DICOM, NIfTI and raster files, or one file.", callback=there)
    ],
    out: common.Out,
    settings: ScoreSettings,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the results in OUT and start anew.")] = False,
    track: Annotated[
        bool,
        typer.Option("--track", help="Record counts, flagged share and duration in MLflow, and no file."),
    ] = False,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store or server: where a models:/ model is, and where --track records.")
    ] = None,
    experiment: common.ExperimentName = None,
    threads: common.Threads = 0,
) -> None:
    """Score every case below FOLDER; write OUT/scores.csv, scores.parquet, triage.html and pictures.

    A case is what gets one score: a DICOM series of slices, any other DICOM instance, or a file. The columns
    NAME_percentile and NAME_p compare a case with the normals that were held out of the model's training, and are not
    there if none were; flagged_by names the rules that flag it.

    --dicom also writes the results as DICOM objects to OUT/dicom, for research, and lists them in OUT/dicom.csv. These
    objects carry name, number and birth date of the patient, as DICOM needs them; no other output does.

    Exit code 0: every file is scored or skipped; 1: some failed, each with its reason in the table, or there is no
    file; 2: wrong input, or the run had to stop; 130: interrupted. The same command goes on after an interruption,
    however it came about, and scores only what is new or has changed.
    """
    common.check_address(common.Engine(settings.engine), settings.address)
    exported = is_exported(model)
    if not exported:
        check_model(model)
        _check_names(model, settings.score, settings.point)
    if experiment is not None and not track:
        raise ConfigError(f"--experiment {experiment}: it belongs to --track")
    if exported:
        summary = score_exported(model, folder, out, settings, restart=restart, threads=threads, track=track)
    else:
        options = tracking.TrackingOptions(out, tracking_uri, experiment, off=not track)
        summary = _score_with_torch(model, folder, settings, options, restart=restart, threads=threads)
    _finish(summary, folder, out)


def _score_with_torch(
    model: Path,
    folder: Path,
    settings: ScoreSettings,
    options: tracking.TrackingOptions,
    *,
    restart: bool,
    threads: int,
) -> Summary:
    """Load the model folder, or the registered model, and score ``folder`` with it."""
    on_cluster = settings.engine == "ray"  # the machines of a cluster have their own devices
    device = common.start(threads, "cpu" if on_cluster else settings.device, monai=False)
    from medad.model import load
    from medad.scoring import score_folder
    from medad.scoring.recording import score_recorded

    out = options.out
    loaded = load(tracking.model_folder(model, out, options.uri), device)
    tracked = tracking.open_tracker(options)
    if options.off:
        summary = score_folder(loaded, folder, out, settings, restart=restart)
    else:
        summary = score_recorded(loaded, folder, out, settings, tracked.tracker, restart=restart)
    tracked.close(out)
    return summary


def _finish(summary: Summary, folder: Path, out: Path) -> None:
    """Print the summary, and exit with 1 if a case failed or there was no file."""
    _report(summary, folder, out)
    if summary.counts["failed"] or summary.dicom["failed"] or not sum(summary.counts.values()):
        raise typer.Exit(1)


def _report(summary: Summary, folder: Path, out: Path) -> None:
    """Print the numbers of scored, skipped and failed files, and the reasons of the first failures."""
    counts = summary.counts
    typer.echo(
        f"{counts['scored']} scored, {counts['skipped']} skipped, {counts['failed']} failed "
        f"({summary.kept} of these kept from before): {out / TABLE}"
    )
    if summary.dicom:
        typer.echo(
            f"DICOM objects: {', '.join(f'{n} {status}' for status, n in summary.dicom.items())}: {out / 'dicom.csv'}"
        )
    for reason in summary.reasons[:SHOWN]:
        common.say(f"failed: {reason}", err=True)
    if counts["failed"] > SHOWN:
        typer.echo(f"... and {counts['failed'] - SHOWN} more, in {out / TABLE}", err=True)
    if not sum(counts.values()):
        typer.echo(f"{folder} holds no file", err=True)


def _check_names(model: Path, score: str, point: str | None) -> None:
    """Check before loading the model that its card names the score ``score`` and the operating point ``point``.

    Raises:
        ConfigError: the model does not have the score or the operating point.
    """
    try:
        card = json.loads((model / CARD).read_text(encoding="utf-8"))
        scores, points = list(card["map_scale"]), {name for of in card["thresholds"].values() for name in of}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):  # loading the model reports the error
        return
    if score and score not in scores:
        raise ConfigError(f"--score {score}: this model has {', '.join(scores)}")
    if point is not None and point not in points:
        raise ConfigError(f"--point {point}: this model has {', '.join(sorted(points)) or 'no operating point'}")
