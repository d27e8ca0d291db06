"""The engine of a cluster: who gets which cell when, with a Ray that runs nothing; and, slow, a real one."""

from __future__ import annotations

import contextlib
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
from helpers.making import FAST, write_med_ad
from mlflow import MlflowClient

from medad.experiments.grid.cells import GridCell
from medad.experiments.grid.on_ray import OnRay
from medad.ray_cluster import Cluster, ClusterError, Machine
from medad.tracking import Tracker, TrackingError

ROOT = Path(__file__).parents[2]


class Gone(Exception):
    """As Ray says whatever it has to say."""


class Raised(Gone):
    """As Ray says that what it ran has raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class FakeRay:
    """Keeps tasks until they are waited for; the last one ends first."""

    exceptions = SimpleNamespace(RayError=Gone, RayTaskError=Raised)

    def __init__(self, outcome: Callable[[GridCell], str | None]) -> None:
        self.outcome = outcome
        self.asked: dict[str, Any] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.canceled: list[int] = []

    def remote(self, **asked: Any) -> Any:
        self.asked = asked
        return lambda run: SimpleNamespace(remote=self._call)

    def _call(self, *arguments: Any) -> int:
        self.calls.append(arguments)
        return len(self.calls) - 1

    def wait(self, calls: list[int], num_returns: int, timeout: float = 0) -> tuple[list[int], list[int]]:
        return calls[-num_returns:], calls[:-num_returns]

    def get(self, call: int) -> str | None:
        return self.outcome(self.calls[call][0])

    def cancel(self, call: int, force: bool) -> None:
        self.canceled.append(call)


def cluster(ray: FakeRay, *machines: Machine) -> Any:
    gpus = sum(one.gpus for one in machines)
    cpus = sum(one.cores for one in machines)
    return SimpleNamespace(
        ray=ray, machines=machines, cpus=cpus, gpus_for=lambda device: gpus, explained=contextlib.nullcontext
    )


def cells(folder: Path, count: int) -> list[GridCell]:
    return [GridCell(None, None, folder / f"cell{index}") for index in range(count)]  # type: ignore[arg-type]


def run(ray: FakeRay, folder: Path, count: int, *machines: Machine) -> list[tuple[str, str | None]]:
    engine = OnRay(cluster(ray, *(machines or [Machine(2)])), "auto", 0, Tracker())
    return [(cell.folder.name, trouble) for cell, trouble in engine(cells(folder, count), folder)]


def test_each_cell_ends_once(tmp_path: Path) -> None:
    ray = FakeRay(lambda cell: "broken" if cell.folder.name == "cell2" else None)
    ended = run(ray, tmp_path, 7, Machine(8, 2))
    assert sorted(ended) == [(f"cell{i}", "broken" if i == 2 else None) for i in range(7)]
    assert ray.asked == {"num_cpus": 4, "num_gpus": 1, "max_retries": 0}
    assert {call[1:] for call in ray.calls} == {(tmp_path, Path.cwd(), "cuda", 4)}


def test_a_cell_whose_process_is_lost_is_tried_once_more(tmp_path: Path) -> None:
    tried: Counter[str] = Counter()

    def outcome(cell: GridCell) -> str | None:
        tried[cell.folder.name] += 1
        if cell.folder.name == "cell0" or (cell.folder.name == "cell1" and tried["cell1"] == 1):
            raise Gone("no memory left\nand much more")
        return None

    ended = dict(run(FakeRay(outcome), tmp_path, 3))
    assert ended["cell0"] == "its process on the cluster was lost 2 times: no memory left"
    assert (ended["cell1"], ended["cell2"]) == (None, None)
    assert tried == {"cell0": 2, "cell1": 2, "cell2": 1}


@pytest.mark.parametrize(
    ("cause", "kind", "said"),
    [
        (TrackingError("another medad is at work here"), TrackingError, "^another medad is at work here$"),
        (ModuleNotFoundError("No module named 'medad'"), ClusterError, "cannot run medad .*No module.* install this"),
    ],
)
def test_what_ends_a_bench_is_said_and_nothing_goes_on(
    cause: Exception, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    def outcome(cell: GridCell) -> str | None:
        raise Raised(cause)

    ray = FakeRay(outcome)
    with pytest.raises(kind, match=said):
        run(ray, tmp_path, 3)
    assert sorted(ray.canceled) == [0, 1]


@pytest.mark.parametrize(
    ("count", "machines", "threads", "expected"),
    [
        (3, [Machine(16)], 0, 5),  # the cores are shared out
        (40, [Machine(16)], 0, 1),
        (1, [Machine(4), Machine(16)], 0, 4),  # wherever it is run
        (9, [Machine(4), Machine(16)], 12, 12),
        (9, [Machine(8, 1), Machine(16, 4), Machine(64)], 0, 4),  # where the GPUs are
        (9, [Machine(16, 2)], 3, 3),
    ],
)
def test_the_cores_of_a_cell(count: int, machines: list[Machine], threads: int, expected: int) -> None:
    assert OnRay(cluster(FakeRay(lambda _: None), *machines), "auto", threads, Tracker())._share(count) == expected


@pytest.mark.parametrize("machines", [[Machine(2), Machine(4)], [Machine(4, 1), Machine(64)]])
def test_more_threads_than_a_machine_has_would_wait_for_ever(machines: list[Machine]) -> None:
    with pytest.raises(ClusterError, match="the largest machine that can be used has 4 cores"):
        OnRay(cluster(FakeRay(lambda _: None), *machines), "auto", 5, Tracker())._share(1)


class Waiting(FakeRay):
    """Never ends a task."""

    def wait(self, calls: list[int], num_returns: int, timeout: float = 0) -> tuple[list[int], list[int]]:
        return [], calls


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ([], "no machine with a core to lend.*the same command goes on"),
        ([{"CPU": 2.0}], "has lost machines, and the largest that is left has 2 cores of the 4"),
    ],
)
def test_a_cluster_that_loses_its_machines_ends_the_bench_in_words(
    left: list[dict[str, float]], said: str, tmp_path: Path
) -> None:
    ray = Waiting(lambda _: None)
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0}}]
    ray.nodes = lambda: nodes  # type: ignore[attr-defined]
    engine = OnRay(connected(ray), "cpu", 0, Tracker())
    calls = engine(cells(tmp_path, 2), tmp_path)
    ray.remote = lambda **asked: nodes.__setitem__(slice(None), gone(left)) or FakeRay.remote(ray, **asked)  # type: ignore[method-assign]
    with pytest.raises(ClusterError, match=said):
        next(calls)
    assert sorted(ray.canceled) == [0, 1]


def gone(left: list[dict[str, float]]) -> list[dict[str, Any]]:
    dead = {"Alive": False, "Resources": {"CPU": 8.0}}
    return [dead, *({"Alive": True, "Resources": resources} for resources in left)]


def connected(ray: FakeRay) -> Cluster:
    cluster = Cluster.__new__(Cluster)
    cluster.ray = ray
    return cluster


def test_a_cluster_that_has_no_machine_or_does_not_answer() -> None:
    ray = FakeRay(lambda _: None)
    ray.nodes = lambda: gone([])  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match="no machine with a core to lend"):
        _ = connected(ray).cpus
    ray.nodes = lambda: gone([{"CPU": 4.0}])  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match="no machine with a GPU any more"):
        OnRay(cluster(ray, Machine(4)), "cpu", 0, Tracker()).__class__._usable(
            SimpleNamespace(cluster=connected(ray), gpus=1)  # type: ignore[arg-type]
        )

    def silent() -> list[dict[str, Any]]:
        raise Gone("the head node is gone\nmuch more")

    ray.nodes = silent  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match=r"does not answer \(the head node is gone\)"):
        _ = connected(ray).machines


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
