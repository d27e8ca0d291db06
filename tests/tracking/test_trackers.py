"""What a run promises: on disk first, from there to MLflow, once, whatever dies in between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.data
import pandas as pd
import pytest
from helpers.servers import MlflowServer

from medad.tracking import Run, Tracker, TrackingError
from medad.tracking.client import connect, without_password
from medad.tracking.journal import journals, read
from medad.tracking.mlflow import MlflowStore
from medad.tracking.opening import open_tracker, resolve_uri


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture(params=["sqlite", "server"])
def uri(request: pytest.FixtureRequest, sqlite: str) -> str:
    if request.param == "sqlite":
        return sqlite
    server: MlflowServer = request.getfixturevalue("mlflow_server")
    return server.uri


@pytest.fixture
def tracker(uri: str, tmp_path: Path) -> Tracker:
    return open_tracker(uri, tmp_path.name, tmp_path)


def runs_of(uri: str, experiment: str) -> dict[str, Any]:
    client = connect(uri)
    known = client.get_experiment_by_name(experiment)
    return {run.info.run_name: run for run in client.search_runs([known.experiment_id])}


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
def test_a_run_ends_as_it_ended(sqlite: str, tmp_path: Path, act: Callable[[], None], ends: str) -> None:
    tracker = open_tracker(sqlite, tmp_path.name, tmp_path)
    try:
        with tracker.run("train", tmp_path):
            assert runs_of(sqlite, tmp_path.name)["train"].info.status == "RUNNING"
            act()
    except (ValueError, KeyboardInterrupt):
        pass
    assert runs_of(sqlite, tmp_path.name)["train"].info.status == ends
    assert read(tmp_path / "runs" / "train.jsonl")[0][-1]["status"] == ends


def fill(run: Run) -> None:
    """One of everything."""
    folder = run.folder
    run.params({"a": 1, "long": "x" * 10_000, **{f"p{index}": index for index in range(150)}})
    for step in range(1200):
        run.metric("ndm0/loss", 1 / (step + 1), step)
    run.metric("rsna/inter/auc", 0.75)
    run.data("rsna", "0123456789ab", "training", {"normal": 3})
    run.data("rsna", "0123456789ab", "testing", {"studies": 2})
    pd.DataFrame({"id": ["a", "b"], "score": [0.5, 0.25]}).to_csv(folder / "cases.csv", index=False)
    run.table(folder / "cases.csv", without=("id",))
    (folder / "panel.png").write_bytes(b"picture")
    run.artifact(folder / "panel.png")


def look(uri: str, run: Any, scratch: Path) -> dict[str, Any]:
    """All that the client reads back of a run, but its ID and times."""
    client = connect(uri)
    names = sorted(item.path for item in client.list_artifacts(run.info.run_id))
    client.download_artifacts(run.info.run_id, "", str(scratch))
    inputs = [
        (one.dataset.name, one.dataset.digest, one.tags[0].value, one.dataset.profile)
        for one in run.inputs.dataset_inputs
    ]
    losses = [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, "ndm0/loss")]
    return {
        "status": run.info.status,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "losses": sorted(losses),
        "inputs": sorted(inputs),
        "artifacts": names,
        "table": json.loads((scratch / "cases.json").read_text()),
        "csv": (scratch / "cases.csv").read_text(),
    }


def test_everything_is_read_back_by_the_client(uri: str, tracker: Tracker, tmp_path: Path) -> None:
    with tracker.run("bench", tmp_path) as parent, tracker.run("cell", tmp_path / "c", parent.journal, "one") as run:
        fill(run)
    assert tracker.trouble is None
    runs = runs_of(uri, tmp_path.name)
    assert set(runs) == {"bench", "one"}
    one = runs["one"]
    assert one.data.tags["mlflow.parentRunId"] == runs["bench"].info.run_id
    seen = look(uri, one, tmp_path)
    assert seen["status"] == "FINISHED"
    assert (seen["params"]["a"], len(seen["params"]["long"]), len(seen["params"])) == ("1", 5000, 152)
    assert len(seen["losses"]) == 1200
    assert seen["losses"][3][:2] == (3, pytest.approx(0.25))
    assert seen["metrics"]["rsna/inter/auc"] == 0.75
    assert seen["inputs"] == [
        ("rsna/testing", "0123456789ab", "testing", '{"studies": 2}'),
        ("rsna/training", "0123456789ab", "training", '{"normal": 3}'),
    ]
    assert mlflow.data.get_source(one.inputs.dataset_inputs[0]).to_dict()["tags"]["dataset"] == "rsna"
    assert seen["artifacts"] == ["cases.csv", "cases.json", "panel.png"]
    assert seen["table"] == {"columns": ["score"], "data": [[0.5], [0.25]]}
    assert seen["csv"] == "score\n0.5\n0.25\n"
    assert {"path": "cases.json", "type": "table"} in json.loads(one.data.tags["mlflow.loggedArtifacts"])
    tags = one.data.tags
    assert tags["medad.kind"] == "cell"
    assert {"version.medad", "version.torch", "version.python", "hardware.cores", "hardware.gpus"} <= set(tags)
    assert "mlflow.user" not in tags


def test_a_table_and_names_in_mlflow_are_neither_computed_nor_hidden(sqlite: str, tmp_path: Path) -> None:
    with open_tracker(sqlite, tmp_path.name, tmp_path).run("cell", tmp_path, name="a\u202eb") as run:
        run.params({"data": "x\u2028y"})
        text = "id,site,score\n=cmd()|x,'@b,-0.5\na\u202eb,-3 to 5,0.25\n"  # as an earlier medad wrote it, or anybody
        (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
        run.table(tmp_path / "cases.csv")
    (recorded,) = runs_of(sqlite, tmp_path.name).values()
    assert recorded.info.run_name == "a\\u202eb"
    assert recorded.data.params == {"data": "x\\u2028y"}
    connect(sqlite).download_artifacts(recorded.info.run_id, "", str(tmp_path))
    assert (tmp_path / "cases.csv").read_text() == "id,site,score\n'=cmd()|x,'@b,-0.5\na\\u202eb,'-3 to 5,0.25\n"
    table = json.loads((tmp_path / "cases.json").read_text())
    assert table["data"] == [["'=cmd()|x", "'@b", -0.5], ["a\\u202eb", "'-3 to 5", 0.25]]


def test_a_record_sends_no_file_from_outside_of_its_folder(
    sqlite: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret.txt").write_text("a key")
    folder = tmp_path / "run"
    with Tracker().run("cell", folder) as run:
        run.artifact(tmp_path / "secret.txt")
        (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
        run.artifact(folder / "link.txt")
        run.model(tmp_path, "model")
    tracker = open_tracker(sqlite, tmp_path.name, folder)
    tracker.catch_up(folder)
    assert tracker.trouble is None
    (recorded,) = runs_of(sqlite, tmp_path.name).values()
    assert connect(sqlite).list_artifacts(recorded.info.run_id) == []
    assert caplog.text.count("is not in the folder of its run, and is not sent") == 3


@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, "{}", '{"kind": "begin", "at": 1}', '{"kind": "other", "at": 1}', "[]", '{"at": ' + "9" * 5000],
)
def test_a_damaged_record_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "runs" / "cell.jsonl"
    path.parent.mkdir()
    path.write_text(f"{line}\n")
    with pytest.raises(TrackingError, match="not the record of a run"):
        read(path)


def test_a_resumed_run_goes_on_and_repeats_nothing(uri: str, tmp_path: Path) -> None:
    for attempt in range(2):
        tracker = open_tracker(uri, tmp_path.name, tmp_path)
        with tracker.run("train", tmp_path) as run:
            run.params({"a": 1, "b": attempt})
            run.metric("loss", 0.5, 1)
            run.metric("loss", 0.25 + attempt, 2)
    runs = runs_of(uri, tmp_path.name)
    assert set(runs) == {"train"}
    assert runs["train"].data.params == {"a": "1", "b": "0"}
    history = connect(uri).get_metric_history(runs["train"].info.run_id, "loss")
    assert sorted((m.step, m.value) for m in history) == [(1, 0.5), (2, 0.25), (2, 1.25)]
    assert runs["train"].info.status == "FINISHED"


def test_nobody_elses_open_run_is_taken(sqlite: str, tmp_path: Path) -> None:
    """An unfinished run of the same name and experiment, and a note that points to it, are left alone."""
    tracker = open_tracker(sqlite, tmp_path.name, tmp_path)
    client = connect(sqlite)
    experiment = client.get_experiment_by_name(tmp_path.name).experiment_id
    other = client.create_run(experiment, run_name="train").info.run_id
    (tmp_path / "runs").mkdir()
    note = {f"{sqlite} {tmp_path.name}": {"run": other, "offset": 0}}
    (tmp_path / "runs" / "train.sent.json").write_text(json.dumps(note))
    with tracker.run("train", tmp_path) as run:
        run.params({"a": 1})
    assert client.get_run(other).data.params == {}
    assert client.get_run(other).info.status == "RUNNING"
    assert len(client.search_runs([experiment])) == 2


def test_a_run_deleted_there_is_made_anew_and_whole(sqlite: str, tmp_path: Path) -> None:
    with open_tracker(sqlite, tmp_path.name, tmp_path).run("train", tmp_path) as run:
        run.params({"a": 1})
    client = connect(sqlite)
    client.delete_run(runs_of(sqlite, tmp_path.name)["train"].info.run_id)
    with open_tracker(sqlite, tmp_path.name, tmp_path).run("train", tmp_path) as run:
        run.params({"b": 2})
    assert runs_of(sqlite, tmp_path.name)["train"].data.params == {"a": "1", "b": "2"}


class Broken:
    """A store that dies at the n-th thing that it is sent."""

    def __init__(self, store: MlflowStore, at: int) -> None:
        self.store, self.left = store, at
        self.calls = 0
        inner = store._sender.send

        def apply(*what: Any) -> None:
            self.left -= 1
            if self.left < 0:
                raise ConnectionError("the server is gone")
            inner(*what)

        store._sender.send = apply  # type: ignore[method-assign]

    def send(self, journal: Path) -> None:
        self.calls += 1
        self.store.send(journal)


@pytest.mark.parametrize("at", range(0, 8, 2))
def test_what_a_dead_server_missed_is_sent_later_and_once(sqlite: str, tmp_path: Path, at: int) -> None:
    """Wherever it dies, the run on the server equals that of an undisturbed one after sending again, twice."""
    whole = tmp_path / "whole"
    with open_tracker(sqlite, f"{tmp_path.name}-whole", whole).run("train", whole) as run:
        fill(run)
    place = tmp_path / "broken"
    broken = Broken(MlflowStore(sqlite, tmp_path.name, place), at)
    tracker = Tracker(broken)
    with tracker.run("train", place) as run:
        fill(run)
    assert tracker.trouble == "the server is gone"
    calls = broken.calls
    tracker.catch_up(place)
    assert broken.calls == calls  # the first failure was the last try
    for _ in range(2):
        later = open_tracker(sqlite, tmp_path.name, place)
        later.catch_up(place)
        assert later.trouble is None
    for path in journals(place):  # even without its notes
        path.with_suffix(".sent.json").unlink()
    open_tracker(sqlite, tmp_path.name, place).catch_up(place)
    seen = look(sqlite, runs_of(sqlite, tmp_path.name)["train"], place)
    expected = look(sqlite, runs_of(sqlite, f"{tmp_path.name}-whole")["train"], whole)
    times = [{(step, value) for step, value, _ in one.pop("losses")} for one in (seen, expected)]
    assert times[0] == times[1]
    assert seen == expected
    assert len(runs_of(sqlite, tmp_path.name)) == 1


def test_without_a_store_runs_are_on_disk_and_can_be_sent(sqlite: str, tmp_path: Path) -> None:
    tracker = Tracker()
    with (
        tracker.run("bench", tmp_path) as parent,
        tracker.run("cell", tmp_path / "cells" / "c", parent.journal, "c") as run,
    ):
        fill(run)
    moved = tmp_path.with_name(f"{tmp_path.name}-moved")
    tmp_path.rename(moved)
    later = open_tracker(sqlite, moved.name, moved)
    later.catch_up(moved / "cells")  # the parent comes along
    runs = runs_of(sqlite, moved.name)
    assert runs["c"].data.tags["mlflow.parentRunId"] == runs["bench"].info.run_id
    later.catch_up(moved)
    assert {run.info.status for run in runs_of(sqlite, moved.name).values()} == {"FINISHED"}
    assert look(sqlite, runs["c"], moved)["artifacts"] == ["cases.csv", "cases.json", "panel.png"]


def test_metrics_from_several_threads_are_all_recorded(tmp_path: Path) -> None:
    with Tracker().run("train", tmp_path) as run:

        def report(member: int) -> None:
            for step in range(300):
                run.metric(f"m{member}", step / 7, step)

        threads = [threading.Thread(target=report, args=(member,)) for member in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    metrics = [event for event in read(tmp_path / "runs" / "train.jsonl")[0] if event["kind"] == "metric"]
    assert len({(event["name"], event["step"]) for event in metrics}) == len(metrics) == 1200


KILLED = """
import os, sys
from pathlib import Path
from medad.tracking import Tracker
with Tracker().run("train", Path(sys.argv[1])) as run:
    run.params({"a": 1})
    run._journal._file.write(b'{"kind": "metr')
    run._journal._file.flush()
    os.kill(os.getpid(), 9)
"""


def test_a_killed_process_leaves_a_run_that_says_failed_and_goes_on(sqlite: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    open_tracker(sqlite, tmp_path.name, tmp_path).catch_up(tmp_path)
    assert runs_of(sqlite, tmp_path.name)["train"].info.status == "FAILED"
    with open_tracker(sqlite, tmp_path.name, tmp_path).run("train", tmp_path):
        assert runs_of(sqlite, tmp_path.name)["train"].info.status == "RUNNING"
    run = runs_of(sqlite, tmp_path.name)["train"]
    assert (run.info.status, run.data.params) == ("FINISHED", {"a": "1"})


def test_a_run_at_work_is_not_taken_nor_called_dead(tmp_path: Path) -> None:
    with Tracker().run("train", tmp_path):
        with pytest.raises(TrackingError, match="another medad is at work here"), Tracker().run("train", tmp_path):
            pass
        Tracker().catch_up(tmp_path)
        assert [event["kind"] for event in read(tmp_path / "runs" / "train.jsonl")[0]] == ["begin"]


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"cannot track in 'nothing://x'.*--tracking-uri"):
        open_tracker("nothing://x", "tests", tmp_path)


def test_a_server_that_is_down_is_trouble_and_no_error(tmp_path: Path) -> None:
    tracker = open_tracker("http://someone:secret@127.0.0.1:9", "tests", tmp_path)
    assert tracker.trouble is not None
    assert "secret" not in tracker.trouble
    with tracker.run("train", tmp_path) as run:
        run.metric("loss", 1.0)
    assert [event["kind"] for event in read(tmp_path / "runs" / "train.jsonl")[0]] == ["begin", "metric", "end"]


def test_option_then_environment_then_file_then_the_output_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_uri(None, None, tmp_path) == f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}"
    assert resolve_uri(None, "http://127.0.0.1:2", tmp_path) == "http://127.0.0.1:2"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert resolve_uri(None, "http://127.0.0.1:2", tmp_path) == "http://127.0.0.1:1"
    assert resolve_uri("sqlite:///x.db", None, tmp_path) == "sqlite:///x.db"


def test_a_password_in_the_address_is_never_kept() -> None:
    assert without_password("https://me:secret@host/x") == "https://host/x"
