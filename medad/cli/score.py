"""medad score: every image in a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from medad.cli import _common as common

SHOWN = 10


def score(
    model: Annotated[Path, typer.Argument(help="Model folder, or models:/NAME@candidate in MLflow.")],
    folder: Annotated[Path, typer.Argument(help="Folder of DICOM, NIfTI and raster files, or one file.")],
    out: common.Out,
    map_score: Annotated[
        str | None, typer.Option("--map", help="Score whose map is drawn; default: the model's last.")
    ] = None,
    heatmaps: Annotated[bool, typer.Option(help="Write a heatmap for each scored study.")] = True,
    restart: Annotated[bool, typer.Option("--restart", help="Forget the results in OUT and start anew.")] = False,
    tracking_uri: common.TrackingUri = None,
    device: common.Device = "auto",
    threads: common.Threads = 0,
) -> None:
    """Score every study below FOLDER; write OUT/scores.csv and OUT/heatmaps.

    Exit code 0: every file is scored or skipped; 1: some failed, each with its reason in scores.csv. The same command
    goes on after an interruption, and scores only what is new or has changed.
    """
    device = common.start(threads, device)
    from medad.model import load
    from medad.scoring import HEATMAPS, LEDGER, TABLE, score_folder

    loaded = load(common.model_folder(model, out, tracking_uri), device)
    if restart:
        shutil.rmtree(out / HEATMAPS, ignore_errors=True)
        for name in (LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", TABLE):
            (out / name).unlink(missing_ok=True)
    summary = score_folder(loaded, folder, out, map_score=map_score, heatmaps=heatmaps)
    counts = summary.counts
    typer.echo(
        f"{counts['scored']} scored, {counts['skipped']} skipped, {counts['failed']} failed "
        f"({summary.kept} of these kept from before): {out / TABLE}"
    )
    for reason in summary.reasons[:SHOWN]:
        typer.echo(f"failed: {reason}", err=True)
    if len(summary.reasons) > SHOWN:
        typer.echo(f"... and {len(summary.reasons) - SHOWN} more, in {out / TABLE}", err=True)
    if not sum(counts.values()):
        typer.echo(f"{folder} holds no file", err=True)
    if summary.reasons or not sum(counts.values()):
        raise typer.Exit(1)
