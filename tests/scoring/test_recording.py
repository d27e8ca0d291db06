"""A run of batch scoring in MLflow: counts and shares, and nothing of a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from helpers.runs import mixed, untrained
from mlflow import MlflowClient
from typer.testing import CliRunner

from medad.cli import app
from medad.model import load
from medad.scoring import ScoreSettings
from medad.scoring.core.flagging import FLAGS
from medad.scoring.recording import RECORDED, score_recorded
from medad.tracking import Tracker
from medad.tracking.journal import read


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded")
    untrained(root / "model")
    mixed(root / "inbox-of-Doe-Jane", radiographs=4)
    return root


def test_score_records_counts_share_digest_and_duration_if_asked(place: Path) -> None:
    words = ("score", place / "model", place / "inbox-of-Doe-Jane", "--out", place / "out", "--threshold", "0.01")
    asked = ("--track", "--experiment", "inbox", "--workers", "1", "--force", "--heatmaps", "none")
    done = CliRunner().invoke(app, [*map(str, words), *asked])
    assert done.exit_code == 1, done.output  # one file is cut
    client = MlflowClient(f"sqlite:///{place / 'out' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("inbox").experiment_id])
    table = pd.read_csv(place / "out" / "scores.csv")
    counts = table["status"].value_counts()
    flags = table[[name for name in FLAGS if name in table]].fillna(value=False).astype(bool).any(axis=1)
    metrics = run.data.metrics
    assert {name: metrics[name] for name in ("scored", "skipped", "failed")} == counts.to_dict()
    assert metrics["flagged"] == flags.sum()
    assert metrics["flagged_share"] == pytest.approx(flags.sum() / counts["scored"])
    assert metrics["seconds"] > 0
    assert len(metrics) < 10
    assert run.data.params["model"] == load(place / "model").digest
    assert "scoring.csv" in {item.path for item in client.list_artifacts(run.info.run_id)}
    text = (place / "out" / RECORDED).read_text() + str(run.data.params) + str(run.data.tags)
    assert "Doe" not in text
    assert "IM000" not in text
    assert "median" in text


def test_a_run_that_is_not_asked_for_is_not_recorded(place: Path) -> None:
    words = ("score", place / "model", place / "inbox-of-Doe-Jane", "--out", place / "quiet", "--workers", "1")
    done = CliRunner().invoke(app, [*map(str, words), "--heatmaps", "none"])
    assert done.exit_code == 1, done.output
    assert not (place / "quiet" / "runs").exists()
    assert not (place / "quiet" / "mlflow.db").exists()


def test_an_interrupted_run_is_recorded_as_killed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medad.scoring.recording.score_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_recorded(load(place / "model"), place, place / "cut", ScoreSettings(), Tracker())
    events = read(place / "cut" / "runs" / "score.jsonl")[0]
    assert events[-1]["status"] == "KILLED"
    assert not [event for event in events if event["kind"] == "metric"]
