"""medad demo: the whole path, on data that it makes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import typer

from medad.cli import _common as common
from medad.cli._grid import Place, report, run_grid
from medad.wording import command, counted

INBOX_STUDIES = 12


def demo(
    out: common.Out = Path("demo-out"),
    settings: common.Set = [],  # noqa: B006 - typer reads it once
    tracking_uri: common.TrackingUri = None,
    experiment: common.ExperimentName = None,
    no_tracking: common.NoTracking = False,
    device: common.Device = "auto",
    threads: common.Threads = 0,
) -> None:
    """Make demo data, train DDAD, evaluate it beside simple baselines, record it in MLflow, and score a folder."""
    from medad.config import parse_overrides, read_pipeline

    place = Place(out, tracking_uri, experiment, no_tracking, device, threads)
    grid = read_pipeline("demo")
    outcome, tracked = run_grid(grid, parse_overrides(settings), place, None, "demo", more_follows=True)
    report(outcome, out)
    if outcome.failed:
        raise typer.Exit(1)
    from medad.model import load
    from medad.scoring import TABLE, ScoreSettings
    from medad.scoring.recording import score_recorded

    cell = outcome.folders[-1]
    inbox = _fill_inbox(out)
    settings_of_scoring = ScoreSettings(heatmaps="all")
    summary = score_recorded(load(cell / "model"), inbox, out / "scores", settings_of_scoring, tracked.tracker)
    scored = counted(summary.counts["scored"], "study", "studies")
    typer.echo(f"scored:  {scored} of {inbox}: {out / 'scores' / TABLE}, heatmaps beside it")
    typer.echo(f"picture: {cell / 'panel.png'}")
    typer.echo(_verdict(outcome.rows))
    typer.echo("next:    look at the picture and the runs, then")
    typer.echo(f"         {command('medad', 'score', cell / 'model', 'FOLDER', '--out', 'scores')}")
    typer.echo("         medad train ddad --normal DIR --unlabeled DIR --out my-model")
    tracked.close(out)


def _verdict(rows: list[dict[str, Any]]) -> str:
    """What the table says, in a sentence; no score is picked by its result."""
    named = [f"{row['method']} {row['score']} {row['auc']:.3f}" for row in rows]
    return (
        f"result:  AUC of {', '.join(named)}. Minutes of training on made-up people: this shows the path, nothing "
        "about patients."
    )


def _fill_inbox(out: Path) -> Path:
    """A folder as it might arrive: some test studies, and a note that is no image."""
    from medad.registry import datasets

    inbox = out / "inbox"
    pools = datasets.get("demo").pools(None, out)
    half = INBOX_STUDIES // 2
    for study in (*pools.test_normal[:half], *pools.test_abnormal[:half]):
        for file in study.files:
            target = inbox / study.id / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)  # with its time, so that a file scored before is known
    (inbox / "note.txt").write_text("Not an image: it is skipped, and said so.\n", encoding="utf-8")
    return inbox
