"""medad demo: run the whole workflow on synthetic data."""

from __future__ import annotations

import shutil
from pathlib import Path

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
    from medad.config import parse_overrides
    from medad.pipeline_files import read_pipeline

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
    scored = counted(summary.counts["scored"], "case")
    typer.echo(f"scored:  {scored} of {inbox}: {out / 'scores' / TABLE}, heatmaps beside it")
    typer.echo(f"picture: {cell / 'panel.png'}")
    _recommend(out, outcome.folders)
    tracked.close(out)


def _recommend(out: Path, folders: list[Path]) -> None:
    """Print the headline of the results, and the next commands for the model with the highest AUC."""
    from medad.evaluation.comparing import compare_entries, evaluation_of
    from medad.evaluation.entries import read_entries
    from medad.evaluation.headline import headline, standings
    from medad.results.read import read_results

    results = read_results(out, folders)
    for sentence in headline(results, compare_entries(read_entries([results]), "method", evaluation_of(results))):
        typer.echo(f"result:  {sentence}")
    typer.echo("         Minutes of training on made-up people: this shows the path, nothing about patients.")
    leader = next((standing for standing in standings(results) if standing.chosen), None)
    model = leader.group.first.folder / "model" if leader else folders[-1] / "model"
    ahead = f"  # {leader.name}, ahead by the score that stands for its method" if leader else ""
    typer.echo("next:    look at the picture and the runs, then")
    typer.echo(f"         {command('medad', 'score', model, 'FOLDER', '--out', 'scores')}{ahead}")
    typer.echo("         medad train ddad --normal DIR --unlabeled DIR --set calibration=0.2 --out my-model")


def _fill_inbox(out: Path) -> Path:
    """Make a folder of incoming studies: some test studies, and a text file that is not an image."""
    from medad.files import write_text
    from medad.registry import datasets

    inbox = out / "inbox"
    pools = datasets.get("demo").pools(None, out)
    half = INBOX_STUDIES // 2
    for study in (*pools.test_normal[:half], *pools.test_abnormal[:half]):
        for file in study.files:
            target = inbox / study.id / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)  # keeps the modification time, so that a scored file is recognized
    write_text(inbox / "note.txt", "Not an image: it is skipped, and said so.\n")
    return inbox
