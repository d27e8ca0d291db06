"""`medad evaluate`: an evaluation added to a model that is there."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.making import write_med_ad
from typer.testing import CliRunner, Result

import medad.experiments.evaluate
from medad.cli import app
from medad.tracking.client import connect


def medad_(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets, and a model that learned from the first: bench/cells/*/model."""
    root = tmp_path_factory.mktemp("evaluate")
    write_med_ad(root / "data")
    write_med_ad(root / "data", "LAG")  # the same pictures under another name
    options = ["--datasets", "braintumor", "--methods", "pca", "--set", "components=4", "--set", "size=32"]
    done = medad_("bench", "--out", root / "bench", "--data-root", root / "data", "--no-tracking", *options)
    assert done.exit_code == 0, done.output
    return root


@pytest.fixture(scope="module")
def cell(place: Path) -> Path:
    (found,) = (place / "bench" / "cells").iterdir()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_gives_what_the_bench_gave_and_leaves_the_model_as_it_is(
    place: Path, cell: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(cell / "model")
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(empty_store, out / "mlflow.db")
    arguments = ("evaluate", cell / "model", "--dataset", "braintumor", "--data-root", place / "data", "--out", out)
    done = medad_(*arguments)
    assert done.exit_code == 0, done.output
    assert contents(cell / "model") == before == contents(out / "model")
    pd.testing.assert_frame_equal(pd.read_csv(out / "cases.csv"), pd.read_csv(cell / "cases.csv"))
    one, other = (json.loads((where / "result.json").read_text())["rows"][0] for where in (out, cell))
    assert {key: one[key] for key in ("auc", "ap", "dataset", "method")} == {
        key: other[key] for key in ("auc", "ap", "dataset", "method")
    }
    client = connect(f"sqlite:///{out / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("medad").experiment_id])
    assert (run.info.run_name, run.info.status) == ("evaluate", "FINISHED")
    assert run.data.metrics["braintumor/rec/auc"] == pytest.approx(one["auc"])
    assert [item.dataset.name for item in run.inputs.dataset_inputs] == ["braintumor/testing"]

    monkeypatch.setattr(medad.experiments.evaluate, "evaluate_model", None)  # the second time nothing is scored
    again = medad_(*arguments)
    assert again.exit_code == 0, again.output
    other_data = medad_(*(*arguments[:3], "lag", *arguments[4:]))
    assert other_data.exit_code == 2


def manifest(path: Path, rows: list[tuple[Path, str, str, str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "role", "label", "patient"), *rows])
    return path


def test_a_manifest_of_new_studies_is_judged(place: Path, cell: Path, tmp_path: Path) -> None:
    images = place / "data" / "BrainTumor" / "images"
    rows = [
        (images / f"{group}00{index}.png", "test", label, f"{group}{index}")
        for group, label in (("3", "0"), ("4", "1"))
        for index in range(4)
    ]
    data = manifest(tmp_path / "other-hospital.csv", rows)
    done = medad_("evaluate", cell / "model", "--data", data, "--out", tmp_path / "out", "--no-tracking")
    assert done.exit_code == 0, done.output
    cases = pd.read_csv(tmp_path / "out" / "cases.csv")
    known = pd.read_csv(cell / "cases.csv")
    known = known[known["id"].isin([Path(name).name for name in cases["id"]])]
    assert sorted(cases["rec"]) == pytest.approx(sorted(known["rec"]))
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["rows"][0]["dataset"] == "other-hospital"


@pytest.mark.parametrize("learned", ["0000.png", "1000.png", "2003.png"])  # known normal, unlabeled, unlabeled abnormal
def test_studies_that_the_model_learned_from_are_refused(place: Path, cell: Path, tmp_path: Path, learned: str) -> None:
    """Under another name, in another folder."""
    images = place / "data" / "BrainTumor" / "images"
    copy = tmp_path / "renamed.png"
    shutil.copy(images / learned, copy)
    new = (("3000.png", "0", "a"), ("3001.png", "0", "d"), ("4000.png", "1", "b"))
    rows = [*((images / name, "test", label, patient) for name, label, patient in new), (copy, "test", "1", "c")]
    data = manifest(tmp_path / "test.csv", rows)
    done = medad_("evaluate", cell / "model", "--data", data, "--out", tmp_path / "out", "--no-tracking")
    assert done.exit_code == 2
    assert "has learned from 1 of the 4 test studies" in " ".join(done.output.split())
    assert not (tmp_path / "out" / "result.json").exists()


def test_one_class_alone_and_no_data_are_named(place: Path, cell: Path, tmp_path: Path) -> None:
    images = place / "data" / "BrainTumor" / "images"
    data = manifest(tmp_path / "test.csv", [(images / "3000.png", "test", "0", "a")])
    done = medad_("evaluate", cell / "model", "--data", data, "--out", tmp_path / "out", "--no-tracking")
    assert done.exit_code == 2
    assert "of 1 normal and 0 abnormal patients" in " ".join(done.output.split())
    done = medad_("evaluate", cell / "model", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "--data MANIFEST" in done.output


def test_a_model_that_is_not_in_the_registry_is_named(place: Path, empty_store: Path, tmp_path: Path) -> None:
    arguments = ("evaluate", "models:/none@candidate", "--dataset", "braintumor", "--data-root", place / "data")
    done = medad_(*arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "say where it is" in " ".join(done.output.split())
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    done = medad_(*arguments, "--out", tmp_path / "out", "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert done.exit_code == 2
    assert "cannot get models:/none@candidate" in " ".join(done.output.split())
