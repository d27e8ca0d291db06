"""Tracking of whole commands: against a real server, one that dies, and what `medad track` sends later."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.making import FAST, write_med_ad
from helpers.servers import MlflowServer
from mlflow import MlflowClient
from mlflow.entities import Run
from typer.testing import CliRunner, Result

import medad.experiments.grid.cells
from medad.cli import app
from medad.tracking.client import connect
from medad.tracking.journal import journals, read

OPTIONS = ["--datasets", "braintumor", "--methods", "pca,ddad", "--set", "components=4", "--set", "scores=[rec,inter]"]
FAST_OPTIONS = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]
LOADED = """
import json, sys
import mlflow.pyfunc, pandas as pd
uri, paths = sys.argv[1], json.loads(sys.argv[2])
model = mlflow.pyfunc.load_model(uri)
print("SCORES", model.predict(pd.DataFrame({"path": paths})).to_json(orient="records"))
print("SIGNATURE", model.metadata.signature.inputs, model.metadata.signature.outputs)
"""


def medad_(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def runs_of(client: MlflowClient, experiment: str) -> dict[str, Run]:
    """By kind, and cells by their method."""
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    named = [("_".join(run.info.run_name.split("_")[:2]), run) for run in runs]
    assert len(named) == len(dict(named))
    return dict(named)


def loss_of(client: MlflowClient, run: Run) -> list[tuple[int, float]]:
    return sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, "ndm0/loss"))


def facts(client: MlflowClient, runs: dict[str, Run]) -> dict[str, Any]:
    """All that can be compared between two places."""
    return {
        name: {
            "status": run.info.status,
            "params": run.data.params,
            "metrics": run.data.metrics,
            "loss": loss_of(client, run),
            "artifacts": sorted(item.path for item in client.list_artifacts(run.info.run_id)),
            "inputs": sorted((one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs),
            "models": [client.get_logged_model(one.model_id).tags["medad.digest"] for one in run.outputs.model_outputs],
            "kind": run.data.tags["medad.kind"],
        }
        for name, run in runs.items()
    }


@pytest.fixture(scope="module")
def bench(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished bench, tracked on the server in the experiment "whole"."""
    place = tmp_path_factory.mktemp("bench")
    write_med_ad(place / "data")
    tracked = ["--tracking-uri", mlflow_server.uri, "--experiment", "whole"]
    arguments = ["--out", place / "out", "--data-root", place / "data", *OPTIONS, *FAST_OPTIONS]
    done = medad_("bench", *arguments, *tracked)
    assert done.exit_code == 0, done.output
    assert f"open {mlflow_server.uri}" in done.output
    return place


def test_a_bench_is_read_back_from_a_server(bench: Path, mlflow_server: MlflowServer, tmp_path: Path) -> None:
    client = connect(mlflow_server.uri)
    runs = runs_of(client, "whole")
    assert set(runs) == {"bench", "braintumor_pca", "braintumor_ddad"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    cell, parent = runs["braintumor_ddad"], runs["bench"]
    assert cell.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert cell.data.params["members"] == "2"
    rows = pd.read_csv(bench / "out" / "results.csv").set_index(["method", "score"])
    auc = rows.loc[("ddad", "inter"), "auc"]
    assert cell.data.metrics["braintumor/inter/auc"] == pytest.approx(auc)
    assert parent.data.metrics["braintumor/ddad/ae/inter/rate0.6/auc"] == pytest.approx(auc)
    assert [step for step, _ in loss_of(client, cell)] == [1, 2]
    client.download_artifacts(cell.info.run_id, "", str(tmp_path))
    assert (tmp_path / "panel.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "histograms.png").read_bytes().startswith(b"\x89PNG")
    cases = json.loads((tmp_path / "cases.json").read_text())
    own = pd.read_csv(bench / "out" / "cells" / cell.info.run_name / "cases.csv")
    assert cases["columns"] == [name for name in own.columns if name != "id"]  # file names stay in the hospital
    assert [row[cases["columns"].index("inter")] for row in cases["data"]] == pytest.approx(own["inter"].tolist())
    inputs = {one.dataset.name: one for one in cell.inputs.dataset_inputs}
    assert set(inputs) == {"braintumor/training", "braintumor/testing"}
    assert {one.dataset.digest for one in inputs.values()} == {cell.data.params["digest"]}


def test_the_logged_model_gives_the_same_scores_in_another_process(bench: Path, mlflow_server: MlflowServer) -> None:
    client = connect(mlflow_server.uri)
    cell = runs_of(client, "whole")["braintumor_ddad"]
    (made,) = cell.outputs.model_outputs
    assert client.get_logged_model(made.model_id).name == "ddad-ae"
    cases = pd.read_csv(bench / "out" / "cells" / cell.info.run_name / "cases.csv").set_index("id")
    images = bench / "data" / "BrainTumor" / "images"
    (bench / "note.txt").write_text("no image")
    paths = [*(str(images / name) for name in cases.index), str(bench / "note.txt"), str(bench / "nothing.png")]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": mlflow_server.uri}
    environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    command = [sys.executable, "-c", LOADED, f"models:/{made.model_id}", json.dumps(paths)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("SCORES", "SIGNATURE")))
    rows = json.loads(said["SCORES"])
    for name in ("rec", "inter"):
        assert [row[name] for row in rows[:-2]] == pytest.approx(cases[name].tolist(), abs=1e-5)
    assert [row["inter"] for row in rows[-2:]] == [None, None]
    assert "it is text" in rows[-2]["error"]
    assert "no such file" in rows[-1]["error"]
    assert "'path': string (required)" in said["SIGNATURE"]
    assert "'inter': double (optional)" in said["SIGNATURE"]


def test_a_server_killed_in_the_middle_costs_nothing(
    bench: Path, mlflow_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies while the second cell trains: all results are on disk; what is sent later equals an undisturbed bench."""
    real, calls = medad.experiments.grid.cells.run_experiment, []

    def dying(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            mlflow_server.kill()
        return real(*arguments)

    monkeypatch.setattr(medad.experiments.grid.cells, "run_experiment", dying)
    monkeypatch.setattr("medad.tracking.tracker.SECONDS_BETWEEN_SENDS", 0.0)
    out = tmp_path / "out"
    arguments = ["bench", "--out", out, "--data-root", bench / "data", *OPTIONS, *FAST_OPTIONS]
    tracked = ["--tracking-uri", mlflow_server.uri, "--experiment", "dies"]
    try:
        done = medad_(*arguments, *tracked)
        still_dead = medad_("track", out, *tracked)
    finally:
        mlflow_server.start()
    assert done.exit_code == 1
    assert "tracking is incomplete" in done.output
    assert f"medad track {out} {' '.join(tracked)}" in " ".join(done.output.split())
    assert still_dead.exit_code == 1
    both = [pd.read_csv(place / "results.csv").drop(columns="seconds") for place in (out, bench / "out")]
    pd.testing.assert_frame_equal(*both)

    client = connect(mlflow_server.uri)
    assert runs_of(client, "dies")["bench"].info.status == "RUNNING"
    for _ in range(2):
        later = medad_("track", out, *tracked)
        assert later.exit_code == 0, later.output
        assert "3 runs are in experiment 'dies'" in later.output
    sent, whole = (facts(client, runs_of(client, name)) for name in ("dies", "whole"))
    for name in sent:
        digests = [place[name].pop("models") for place in (sent, whole)]
        assert [len(one) for one in digests] == [name != "bench"] * 2
    assert sent == whole


def test_a_bench_on_disk_alone_is_sent_later_with_what_was_kept(bench: Path, empty_store: Path, tmp_path: Path) -> None:
    """Without tracking, then the same command with it: every run is there, though no cell was run again."""
    out = tmp_path / "out"
    arguments = ["bench", "--out", out, "--data-root", bench / "data", "--datasets", "braintumor"]
    arguments += ["--methods", "max_intensity", "--set", "size=32"]
    assert medad_(*arguments, "--no-tracking").exit_code == 0
    assert not (out / "mlflow.db").exists()
    shutil.copy(empty_store, out / "mlflow.db")
    done = medad_(*arguments)
    assert done.exit_code == 0, done.output
    assert "0 experiments run, 1 kept" in done.output
    client = connect(f"sqlite:///{out / 'mlflow.db'}")
    runs = runs_of(client, "medad")
    assert {name: run.info.status for name, run in runs.items()} == {
        "bench": "FINISHED",
        "braintumor_max": "FINISHED",
    }
    assert "braintumor/max/auc" in runs["braintumor_max"].data.metrics


def test_experiment_and_store_from_option_environment_or_file(
    bench: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("file", "variable", "option"):
        shutil.copy(empty_store, tmp_path / f"{name}.db")
    pipeline = tmp_path / "own.yaml"
    pipeline.write_text(
        "methods: [max_intensity]\ndatasets: [braintumor]\nsettings: {size: 32}\n"
        f"tracking: {{uri: 'sqlite:///{tmp_path}/file.db', experiment: of-the-file}}\n"
    )

    def where(*options: str) -> list[str]:
        done = medad_("bench", pipeline, "--out", tmp_path / "out", "--data-root", bench / "data", *options)
        assert done.exit_code == 0, done.output
        return [f"{path.stem}: {name}" for path in sorted(tmp_path.glob("*.db")) for name in experiments(path)]

    assert where() == ["file: of-the-file"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/variable.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-the-variable")
    assert where() == ["file: of-the-file", "variable: of-the-variable"]
    option = ("--tracking-uri", f"sqlite:///{tmp_path}/option.db", "--experiment", "of-the-option")
    assert where(*option)[1] == "option: of-the-option"


def experiments(path: Path) -> list[str]:
    client = connect(f"sqlite:///{path}")
    return [one.name for one in client.search_experiments() if client.search_runs([one.experiment_id])]


def test_a_cell_that_breaks_says_failed_and_the_others_go_on(
    bench: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    real = medad.experiments.grid.cells.run_experiment

    def broken(experiment: Any, *rest: Any) -> Any:
        if experiment.method == "max_intensity":
            raise RuntimeError("a defect")
        return real(experiment, *rest)

    monkeypatch.setattr(medad.experiments.grid.cells, "run_experiment", broken)
    arguments = ["--out", tmp_path, "--data-root", bench / "data", "--datasets", "braintumor", "--set", "components=4"]
    done = medad_("bench", *arguments, "--methods", "max_intensity,pca", "--set", "size=32")
    assert done.exit_code == 1
    assert "internal error (RuntimeError: a defect)" in done.output
    runs = runs_of(connect(f"sqlite:///{tmp_path / 'mlflow.db'}"), "medad")
    assert {name: run.info.status for name, run in runs.items()} == {
        "bench": "FINISHED",
        "braintumor_max": "FAILED",
        "braintumor_pca": "FINISHED",
    }


def test_nothing_recorded_and_damaged_records_are_named(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    done = medad_("track", tmp_path)
    assert done.exit_code == 2
    assert "no run is recorded" in done.output
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "train.jsonl").write_text("nonsense\n")
    done = medad_("track", tmp_path)
    assert done.exit_code == 2
    assert "not the record of a run" in done.output


def test_steps_are_on_disk_without_tracking(bench: Path) -> None:
    (path,) = [one for one in journals(bench / "out") if "ddad" in str(one)]
    events = read(path)[0]
    losses = [event["step"] for event in events if event["kind"] == "metric" and event["name"] == "ndm0/loss"]
    assert losses == [1, 2]
