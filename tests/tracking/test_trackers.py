"""What every tracker promises, and MLflow's own side of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from medad.tracking import MemoryTracker, Tracker, TrackingError
from medad.tracking.mlflow import MlflowTracker, resolve_uri


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(params=["memory", "mlflow"])
def tracker(request: pytest.FixtureRequest, store: Path) -> Tracker:
    if request.param == "memory":
        return MemoryTracker()
    return MlflowTracker(f"sqlite:///{store / 'mlflow.db'}", "tests", store)


def status(tracker: Tracker, run_id: str) -> str:
    if isinstance(tracker, MemoryTracker):
        return tracker.runs[run_id].status
    assert isinstance(tracker, MlflowTracker)
    return str(tracker._client.get_run(run_id).info.status)


def raise_(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("act", "ends"),
    [
        (lambda: None, "FINISHED"),
        (lambda: raise_(ValueError("x")), "FAILED"),
        (lambda: raise_(KeyboardInterrupt()), "KILLED"),
    ],
)
def test_a_run_ends_as_it_ended(tracker: Tracker, act: Callable[[], None], ends: str) -> None:
    run_id = ""
    try:
        with tracker.run("one") as run:
            run_id = run.id
            assert status(tracker, run_id) == "RUNNING"
            act()
    except (ValueError, KeyboardInterrupt):
        pass
    assert status(tracker, run_id) == ends


def test_a_run_is_resumed_and_an_unknown_one_is_new(tracker: Tracker) -> None:
    with tracker.run("one") as first:
        first.params({"a": 1})
    with tracker.run("one", resume=first.id) as again:
        assert again.id == first.id
        again.params({"a": 1, "b": "x" * 10_000})
    with tracker.run("one", resume="nothing-like-it") as other:
        assert other.id != first.id


def test_mlflow_keeps_what_it_is_told(store: Path, tmp_path: Path) -> None:
    tracker = MlflowTracker(f"sqlite:///{store / 'mlflow.db'}", "tests", store)
    (tmp_path / "note.txt").write_text("x")
    with tracker.run("parent") as parent, tracker.run("child", parent) as child:
        for step in range(1200):
            child.metric("ndm0/loss", 1 / (step + 1), step)
        child.table("results", pd.DataFrame({"auc": [0.5]}))
        child.artifact(tmp_path / "note.txt")
    client = tracker._client
    found = client.get_run(child.id)
    assert found.data.tags["mlflow.parentRunId"] == parent.id
    history = client.get_metric_history(child.id, "ndm0/loss")
    assert len(history) == 1200
    assert {m.step: m.value for m in history}[3] == pytest.approx(0.25)
    assert {a.path for a in client.list_artifacts(child.id)} == {"results.json", "results.csv", "note.txt"}
    assert (store / "mlflow-artifacts").is_dir()


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"cannot track in 'nothing://x'.*--no-tracking"):
        MlflowTracker("nothing://x", "tests", tmp_path)


def test_option_then_environment_then_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_uri(None, tmp_path) == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert resolve_uri(None, tmp_path) == "http://127.0.0.1:1"
    assert resolve_uri("sqlite:///x.db", tmp_path) == "sqlite:///x.db"
