"""`medad bench` end to end, in process, on small data sets in the Med-AD layout."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from helpers.making import FAST, write_med_ad
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

import medad.experiments.grid.cells
from medad.cli import app

COLUMNS = ["dataset", "method", "network", "score", "seed", "auc", "ap", "n_normal", "n_abnormal", "split", "epochs"]
FAST_OPTIONS = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]


def bench(tmp_path: Path, *options: str) -> Result:
    fast = FAST_OPTIONS if "max_intensity" not in options else ["--set", "size=32"]
    options = options if "--methods" in options else ("--methods", "ddad", *options)
    common = ["bench", "--out", str(tmp_path / "out"), "--data-root", str(tmp_path / "data"), *fast]
    return CliRunner().invoke(app, [*common, *options])


def test_custom_counts_run_to_results_and_mlflow(tmp_path: Path) -> None:
    write_med_ad(tmp_path / "data")
    done = bench(tmp_path, "--datasets", "braintumor", "--methods", "pca,ddad", "--set", "components=4")
    assert done.exit_code == 0, done.output
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert set(COLUMNS) <= set(results.columns)
    assert list(results["score"]) == ["rec", "single", "rec", "intra", "inter", "r_intra", "r_dual"]
    assert set(results["split"]) == {"custom split"}
    assert (results["n_normal"].iloc[0], results["n_abnormal"].iloc[0]) == (6, 4)
    assert results["auc"].between(0, 1).all()
    assert "custom split" in done.output

    client = MlflowClient(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("medad").experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    cells = {run.info.run_name.split("_")[1]: run for run in runs if "mlflow.parentRunId" in run.data.tags}
    assert len(parents) == 1
    assert len(runs) == 3
    assert {run.info.status for run in runs} == {"FINISHED"}
    ddad = cells["ddad"]
    assert ddad.data.params["members"] == "2"
    row = results[(results["method"] == "ddad") & (results["score"] == "inter")].iloc[0]
    assert ddad.data.metrics["braintumor/inter/auc"] == pytest.approx(row["auc"])
    assert len(client.get_metric_history(ddad.info.run_id, "ndm0/loss")) == FAST["epochs"]
    names = {item.path for item in client.list_artifacts(ddad.info.run_id)}
    assert {"panel.png", "histograms.png", "results.json", "results.csv"} <= names
    (above,) = parents
    assert "report.html" in {item.path for item in client.list_artifacts(above.info.run_id)}
    assert (tmp_path / "out" / "mlflow-artifacts").is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]


def test_acquisition_is_run_beside_the_methods_of_a_pipeline(tmp_path: Path) -> None:
    """Unless --methods names all that shall run."""
    write_med_ad(tmp_path / "data")
    (tmp_path / "own.yaml").write_text("methods: [max_intensity]\nbaselines: [acquisition]\nsettings: {size: 32}\n")
    place = ["--datasets", "braintumor", "--data-root", str(tmp_path / "data"), "--no-tracking"]
    for options, methods in (
        ([], ["acquisition", "max_intensity"]),
        (["--methods", "max_intensity"], ["max_intensity"]),
    ):
        out = tmp_path / f"out{len(options)}"
        done = CliRunner().invoke(app, ["bench", str(tmp_path / "own.yaml"), "--out", str(out), *place, *options])
        assert done.exit_code == 0, done.output
        assert list(pd.read_csv(out / "results.csv")["method"]) == methods


def test_finished_cells_are_kept_after_an_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_med_ad(tmp_path / "data")
    options = ("--datasets", "braintumor", "--seeds", "0,1", "--set", "scores=[rec,inter]")
    real = medad.experiments.grid.cells.run_experiment
    calls = []

    def interrupted(experiment, *rest):  # type: ignore[no-untyped-def]
        calls.append(experiment.seed)
        if experiment.seed == 1:
            raise KeyboardInterrupt
        return real(experiment, *rest)

    monkeypatch.setattr(medad.experiments.grid.cells, "run_experiment", interrupted)
    assert bench(tmp_path, *options).exit_code == 130
    first = pd.read_csv(tmp_path / "out" / "results.csv")
    assert list(first["seed"].unique()) == [0]
    store = MlflowClient(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    ids, states = runs_of(store)
    assert states == {"bench": "KILLED", "braintumor_ddad_ae_seed0": "FINISHED", "braintumor_ddad_ae_seed1": "KILLED"}

    monkeypatch.setattr(
        medad.experiments.grid.cells, "run_experiment", lambda e, *rest: calls.append(e.seed) or real(e, *rest)
    )
    done = bench(tmp_path, *options)
    assert done.exit_code == 0, done.output
    assert calls == [0, 1, 1]
    assert "1 experiment run, 1 kept" in done.output
    both = pd.read_csv(tmp_path / "out" / "results.csv")
    pd.testing.assert_frame_equal(both[both["seed"] == 0], first)
    assert list(both["seed"].unique()) == [0, 1]

    again, states = runs_of(store)
    assert again == ids  # each run goes on as itself
    assert set(states.values()) == {"FINISHED"}


def runs_of(client: MlflowClient) -> tuple[dict[str, str], dict[str, str]]:
    """IDs and states by name, without the digest in the name."""
    runs = client.search_runs([client.get_experiment_by_name("medad").experiment_id])
    named = [(run.info.run_name.rsplit("_", 1)[0], run.info) for run in runs]
    assert len(named) == len(dict(named))
    return {name: info.run_id for name, info in named}, {name: info.status for name, info in named}


def test_the_same_seed_gives_the_same_table(tmp_path: Path) -> None:
    write_med_ad(tmp_path / "data")
    tables = []
    for out in ("one", "two"):
        options = ["--out", str(tmp_path / out), "--datasets", "braintumor", "--no-tracking"]
        assert bench(tmp_path, *options).exit_code == 0
        tables.append(pd.read_csv(tmp_path / out / "results.csv").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_sweep_over_anomaly_rates(tmp_path: Path) -> None:
    """Pool of 5 + 7: the largest unlabeled set that serves the rates 0, 0.5 and 1 has 5 studies."""
    write_med_ad(tmp_path / "data")
    options = ("--datasets", "braintumor", "--anomaly-rates", "0,0.5,1", "--set", "scores=[rec,inter]")
    done = bench(tmp_path, *options)
    assert done.exit_code == 0, done.output
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    rates = results[["anomaly_rate", "n_unlabeled", "n_unlabeled_abnormal"]].drop_duplicates().to_numpy().tolist()
    assert rates == [[0, 5, 0], [0.5, 5, 2], [1, 5, 5]]
    rec = results[results["score"] == "rec"]["auc"]
    assert rec.nunique() == 1  # the NDM sees no unlabeled study
    assert (tmp_path / "out" / "anomaly_rates.png").read_bytes().startswith(b"\x89PNG")
    refused = bench(tmp_path, *options, "--set", "unlabeled=6")
    assert refused.exit_code == 2
    assert "choose a rate from 0.1667 to 1" in refused.output


def test_a_missing_dataset_is_named_and_skipped(tmp_path: Path) -> None:
    write_med_ad(tmp_path / "data")
    options = ("--datasets", "rsna,braintumor", "--methods", "max_intensity", "--no-tracking")
    done = bench(tmp_path, *options)
    assert done.exit_code == 0, done.output
    assert "missing: rsna" in done.output
    assert "RSNA/data.json" in done.output.replace("\n", "")
    assert bench(tmp_path, *options, "--strict").exit_code == 1


def test_a_broken_dataset_does_not_stop_the_others(tmp_path: Path) -> None:
    write_med_ad(tmp_path / "data")
    write_med_ad(tmp_path / "data", "LAG", (9, 5, 7, 6, 1))
    options = ("--methods", "max_intensity", "--no-tracking")
    done = bench(tmp_path, "--datasets", "lag,braintumor", *options)
    assert done.exit_code == 1
    assert "failed: lag: " in done.output
    assert "of 6 normal and 1 abnormal patients" in " ".join(done.output.split())  # said now, and not after a training
    assert set(pd.read_csv(tmp_path / "out" / "results.csv")["dataset"]) == {"braintumor"}
    (tmp_path / "data" / "LAG" / "data.json").write_text("{")
    assert "failed: lag: " in bench(tmp_path, "--datasets", "lag,braintumor", *options).output
    assert bench(tmp_path, "--datasets", "lag", *options).exit_code == 2


def test_results_that_are_not_where_they_should_be_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a machine of a cluster has a disk of its own at that path."""
    write_med_ad(tmp_path / "data")
    monkeypatch.setattr(medad.experiments.grid.cells, "run_experiment", lambda *_: None)
    done = bench(tmp_path, "--datasets", "braintumor", "--methods", "max_intensity", "--no-tracking")
    assert done.exit_code == 1
    assert "do all machines of the cluster share that folder?" in " ".join(done.output.split())
    assert "0 experiments run" in done.output


def test_a_failed_cell_does_not_stop_the_others(tmp_path: Path) -> None:
    folder = write_med_ad(tmp_path / "data")
    write_med_ad(tmp_path / "data", "LAG")
    (folder / "images" / "3000.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = bench(tmp_path, "--datasets", "braintumor,lag", "--methods", "max_intensity", "--no-tracking")
    assert done.exit_code == 1
    assert "3000.png" in done.output
    assert set(pd.read_csv(tmp_path / "out" / "results.csv")["dataset"]) == {"lag"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--set", "epoch=3"), "Did you mean 'epochs'?"),
        (("--methods", "pca", "--set", "epochs=3"), "unknown key"),
        (("--set", "epochs=none"), "epochs='none' is not allowed"),
        (("--set", "epochs"), "write it as key=value"),
        (("--set", "scores=[rec,outer]"), "choose from inter, intra"),
        (("--set", "members=1"), "at least 2 networks"),
        (("--set", "size=40"), "multiple of 16"),
        (("--set", "preset=none"), "choose from published"),
        (("--networks", "aae"), "choose from ae, aeu, memae"),
        (("--methods", "dadd"), "did you mean 'ddad'?"),
        (("--datasets", "brain"), "did you mean 'braintumor'?"),
        (("--set", "anomaly_rate=0.9", "--set", "unlabeled=12"), "choose a rate from"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    write_med_ad(tmp_path / "data")
    done = bench(tmp_path, "--no-tracking", "--datasets", "braintumor", *options)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert done.output.startswith("error: ")
