"""A new sqlite store is made by one process at a time."""

from __future__ import annotations

import fcntl
import multiprocessing
import traceback
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from mlflow import MlflowClient

from medad.tracking import TrackingError, client
from medad.tracking.client import sqlite_file
from medad.tracking.opening import open_tracker


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:////tmp/a%20b/mlflow.db?timeout=3", "/tmp/a b/mlflow.db"),
        ("sqlite+pysqlite:///x.db", "x.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("http://server:5000", None),
        ("postgresql://user@host/db", None),
    ],
)
def test_the_file_of_a_store(uri: str, file: str | None) -> None:
    assert sqlite_file(uri) == (None if file is None else Path(file))


def test_a_store_that_stays_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    with (tmp_path / "mlflow.db.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TrackingError, match=r"mlflow\.db is being made or brought up to date by another process"):
            client.connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert not (tmp_path / "mlflow.db").exists()


def test_where_a_file_system_has_no_locks_the_store_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with client._alone(f"sqlite:///{tmp_path / 'mlflow.db'}"):
        pass


def _record(number: int, together: Barrier, folder: Path) -> None:
    out = folder / f"out{number}"
    out.mkdir()
    together.wait()
    try:
        tracker = open_tracker(f"sqlite:///{folder / 'mlflow.db'}", "shared", folder)
        with tracker.run("bench", out) as run:
            run.params({"number": number})
        (out / "trouble").write_text(tracker.trouble or "")
    except BaseException:
        (out / "trouble").write_text(traceback.format_exc())


@pytest.mark.slow
def test_processes_that_start_together_on_a_new_store_all_record(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    together = context.Barrier(3)
    processes = [context.Process(target=_record, args=(number, together, tmp_path)) for number in range(3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(300)
        assert one.exitcode == 0
    assert [(tmp_path / f"out{number}" / "trouble").read_text() for number in range(3)] == [""] * 3
    store = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = store.search_runs([store.get_experiment_by_name("shared").experiment_id])
    assert sorted(run.data.params["number"] for run in runs) == ["0", "1", "2"]
