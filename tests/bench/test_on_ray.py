"""The engine of a cluster: who gets which cell when, with a Ray that runs nothing; and, slow, a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from making import FAST, write_med_ad
from mlflow import MlflowClient

from medad.bench.cells import Cell
from medad.bench.on_ray import LOST, OnRay
from medad.cluster import ClusterError
from medad.tracking import Tracker, TrackingError

ROOT = Path(__file__).parents[2]


class Died(Exception):
    """As Ray says that a process is lost."""


class Raised(Exception):
    """As Ray says that what it ran has raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class FakeRay:
    """Keeps the calls of actors until they are waited for; the last one that was made ends first."""

    exceptions = SimpleNamespace(RayActorError=Died, RayTaskError=Raised)

    def __init__(self, outcome: Callable[[Cell], str | None]) -> None:
        self.outcome = outcome
        self.made: list[dict[str, Any]] = []
        self.killed: list[object] = []
        self.most = 0

    def remote(self, _: type) -> Any:
        return SimpleNamespace(options=lambda **asked: SimpleNamespace(remote=lambda *_: self._actor(asked)))

    def _actor(self, asked: dict[str, Any]) -> object:
        self.made.append(asked)
        return SimpleNamespace(run=SimpleNamespace(remote=lambda cell, _: (len(self.made), cell.folder, cell)))

    def wait(self, calls: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        self.most = max(self.most, len(calls))
        return calls[-num_returns:], calls[:-num_returns]

    def get(self, call: Any) -> str | None:
        return self.outcome(call[2])

    def kill(self, actor: object) -> None:
        self.killed.append(actor)


def cluster(ray: FakeRay, machines: list[int], gpus: int = 0) -> Any:
    return SimpleNamespace(ray=ray, machines=machines, cpus=sum(machines), gpus_for=lambda device: gpus)


def cells(folder: Path, count: int) -> list[Cell]:
    return [Cell(None, None, folder / f"cell{index}") for index in range(count)]  # type: ignore[arg-type]


def run(ray: FakeRay, folder: Path, count: int, machines: list[int], threads: int = 1) -> list[tuple[str, str | None]]:
    engine = OnRay(cluster(ray, machines), "auto", threads, Tracker())
    return [(cell.folder.name, trouble) for cell, trouble in engine(cells(folder, count), folder)]


def test_each_cell_ends_once_and_no_more_are_at_work_than_there_is_room_for(tmp_path: Path) -> None:
    ray = FakeRay(lambda cell: "broken" if cell.folder.name == "cell2" else None)
    ended = run(ray, tmp_path, 7, [2, 1])
    assert sorted(ended) == [(f"cell{i}", "broken" if i == 2 else None) for i in range(7)]
    assert ray.most == 3
    assert [one["num_cpus"] for one in ray.made] == [1, 1, 1]  # those that are idle are used again
    assert len(ray.killed) == 3


def test_a_cell_whose_process_is_lost_is_tried_once_more(tmp_path: Path) -> None:
    tried: Counter[str] = Counter()

    def outcome(cell: Cell) -> str | None:
        tried[cell.folder.name] += 1
        if cell.folder.name == "cell0" or (cell.folder.name == "cell1" and tried["cell1"] == 1):
            raise Died
        return None

    ended = run(FakeRay(outcome), tmp_path, 3, [2])
    assert sorted(ended) == [("cell0", LOST), ("cell1", None), ("cell2", None)]
    assert tried == {"cell0": 2, "cell1": 2, "cell2": 1}


def test_what_ends_a_bench_here_ends_it_there_in_the_same_words(tmp_path: Path) -> None:
    def outcome(cell: Cell) -> str | None:
        raise Raised(TrackingError("another medad is at work here"))

    ray = FakeRay(outcome)
    with pytest.raises(TrackingError, match="another medad is at work here"):
        run(ray, tmp_path, 3, [2])
    assert len(ray.killed) == 2  # nothing goes on without us


@pytest.mark.parametrize(
    ("count", "machines", "gpus", "threads", "expected"),
    [
        (3, [16], 0, 0, (3, 5)),  # the cores are shared out
        (40, [16], 0, 0, (16, 1)),
        (1, [4, 16], 0, 0, (1, 4)),  # wherever it is run
        (9, [4, 16], 0, 4, (5, 4)),
        (9, [8, 8], 2, 0, (2, 8)),
        (1, [8, 8], 2, 0, (1, 8)),
        (9, [16], 2, 3, (2, 3)),
    ],
)
def test_the_cluster_is_shared_out(
    count: int, machines: list[int], gpus: int, threads: int, expected: tuple[int, int]
) -> None:
    assert (
        OnRay(cluster(FakeRay(lambda _: None), machines, gpus), "auto", threads, Tracker())._shares(count) == expected
    )


def test_more_threads_than_any_machine_has_would_wait_for_ever() -> None:
    with pytest.raises(ClusterError, match="the largest machine of the cluster has 4 cores"):
        OnRay(cluster(FakeRay(lambda _: None), [2, 4]), "auto", 5, Tracker())._shares(1)


@pytest.mark.slow
def test_on_a_local_cluster_the_table_is_the_same_and_every_run_is_tracked(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    write_med_ad(tmp_path / "data")
    fast = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]
    grid = ["--datasets", "braintumor", "--methods", "ddad,pca", "--seeds", "0,1", "--set", "components=4", *fast]

    def bench(out: str, *more: str) -> str:
        command = [sys.executable, "-c", "from medad.cli import main; main()", "bench", "--out", out, *grid, *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [*command, "--data-root", "data", "--threads", "1"],
            cwd=tmp_path,  # what is named relative to it has to be found by processes elsewhere
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    bench("here", "--no-tracking")
    assert "4 experiments run, 0 kept from before, 0 failed" in bench("there", "--engine", "ray")
    here, there = (pd.read_csv(tmp_path / out / "results.csv").drop(columns="seconds") for out in ("here", "there"))
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    client = MlflowClient(f"sqlite:///{tmp_path / 'there' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("medad").experiment_id])
    assert {one.info.status for one in runs} == {"FINISHED"}
    assert len([one for one in runs if "mlflow.parentRunId" in one.data.tags]) == 4
    assert "0 experiments run, 4 kept from before" in bench("there", "--engine", "ray")
