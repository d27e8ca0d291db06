"""The clinical experiment on a manifest of DICOM folders: check to candidate, and no patient in anything written."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making import gray_image, write_dicom
from helpers.servers import MlflowServer
from mlflow import MlflowClient
from mlflow.entities import Run
from typer.testing import CliRunner, Result

import medad.experiments.clinical_stages
from medad.cli import app
from medad.experiments.clinical_stages import Clinical
from medad.tracking.client import connect

PLANTED = ("Winterbottom", "Ermintrude", "HOSP4711", "19530417", "ACC998877", "1.2.826.0.1.3680043.9.7777")
COUNTS = (("normal", 0, 15), ("unlabeled", None, 6), ("test", 0, 5), ("test", 1, 5))
OPTIONS = ["--set", "methods=[pca]", "--set", "components=4", "--set", "size=32", "--set", "preset=mr"]
OPTIONS += ["--set", "calibration=0.4", "--set", "specificities=[0.8]"]
STAGES = ("check", "train", "evaluate", "report", "register")


def medad_(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """manifest.csv, and DICOM files with patient tags, one patient each."""
    root = tmp_path_factory.mktemp("hospital")
    rng = np.random.default_rng(3)
    rows = []
    for role, label, count in COUNTS:
        for index in range(count):
            number = len(rows)
            uid = f"{PLANTED[-1]}.{number}"
            path = root / "archive" / f"{number:03d}" / "im1"
            write_dicom(
                path,
                gray_image(rng, label == 1 or (label is None and index % 2 == 0)),
                PatientName=f"{PLANTED[0]}^{PLANTED[1]}^{number}",
                PatientID=f"{PLANTED[2]}-{number}",
                PatientBirthDate=PLANTED[3],
                AccessionNumber=f"{PLANTED[4]}{number}",
                StudyInstanceUID=f"{uid}.1",
                SeriesInstanceUID=f"{uid}.2",
                SOPInstanceUID=f"{uid}.3",
                FrameOfReferenceUID=f"{uid}.4",
            )
            known = "" if label is None else label
            rows.append((path.relative_to(root), role, known, f"{PLANTED[2]}-{number}", "AB"[index % 2]))
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "role", "label", "patient", "scanner"), *rows])
    return root


@pytest.fixture(scope="module", params=["sqlite", "server"])
def uri(request: pytest.FixtureRequest, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("sqlite") / "mlflow.db"
        shutil.copy(empty_store, path)
        return f"sqlite:///{path}"
    server: MlflowServer = request.getfixturevalue("mlflow_server")
    return server.uri


def clinical(hospital: Path, out: Path, uri: str, *more: str) -> Result:
    where = ["--out", out, "--tracking-uri", uri]
    return medad_("run", "clinical_experiment", "--set", f"data={hospital}", *where, *OPTIONS, *more)


def runs_of(client: MlflowClient) -> dict[str, Run]:
    runs = client.search_runs([client.get_experiment_by_name("clinical").experiment_id])
    assert len(runs) == len({run.info.run_name for run in runs})
    return {run.info.run_name: run for run in runs}


@pytest.fixture(scope="module")
def done(hospital: Path, uri: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Result], str]:
    """Interrupted in the evaluation, gone on with, and called once more: the output folder and what was said."""
    out = tmp_path_factory.mktemp("clinical") / "out"
    said = []
    logged = logging.FileHandler(out.with_name("log.txt"))
    logging.getLogger().addHandler(logged)
    with pytest.MonkeyPatch.context() as patch:

        def interrupted(*rest: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(medad.experiments.clinical_stages, "evaluate_one", interrupted)
        said.append(clinical(hospital, out, uri))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(medad.experiments.clinical_stages, "train_one", None)
        said.append(clinical(hospital, out, uri))
        patch.setattr(medad.experiments.clinical_stages, "evaluate_one", None)
        said.append(clinical(hospital, out, uri))
    logging.getLogger().removeHandler(logged)
    return out, said, uri


def test_it_goes_on_at_the_stage_it_was_in(done: tuple[Path, list[Result], str]) -> None:
    out, (first, second, third), _ = done
    assert first.exit_code == 130, first.output
    assert second.exit_code == 0, second.output
    assert "check: finished before" in second.output
    assert "train: finished before" in second.output
    assert "evaluate: pca: AUC rec" in second.output
    assert third.exit_code == 0, third.output
    assert all(f"{stage}: finished before" in third.output for stage in STAGES)
    assert (out / "report.html").is_file()
    counts = pd.read_csv(out / "check.csv").set_index("role")
    assert counts["studies"].to_dict() == {"normal": 15, "unlabeled": 6, "test": 10}


def test_one_tree_of_finished_runs_with_data_and_model(done: tuple[Path, list[Result], str]) -> None:
    out, _, uri = done
    client = connect(uri)
    runs = runs_of(client)
    assert set(runs) == {"clinical_experiment", *STAGES}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent = runs.pop("clinical_experiment")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    row = json.loads((out / "result.json").read_text())["rows"][0]
    assert runs["evaluate"].data.metrics[f"{row['dataset']}/rec/auc"] == pytest.approx(row["auc"])
    inputs = [one.dataset for name in ("train", "evaluate") for one in runs[name].inputs.dataset_inputs]
    assert {one.digest for one in inputs} == {runs["train"].data.params["digest"]}
    (made,) = runs["train"].outputs.model_outputs
    for name in ("evaluate", "register"):
        used = client.get_run(runs[name].info.run_id).inputs.model_inputs
        assert [one.model_id for one in used] == [made.model_id]
    assert "report.html" in {item.path for item in client.list_artifacts(runs["report"].info.run_id)}


def test_the_candidate_scores_a_folder(hospital: Path, done: tuple[Path, list[Result], str]) -> None:
    out, _, uri = done
    client = connect(uri)
    (version,) = client.search_model_versions("name = 'clinical'")  # one, though the command ran three times
    assert client.get_model_version_by_alias("clinical", "candidate").version == version.version
    scores = out.with_name("scores")
    scored = medad_("score", "models:/clinical@candidate", hospital / "archive", "--out", scores, "--tracking-uri", uri)
    assert scored.exit_code == 0, scored.output
    table = pd.read_csv(scores / "scores.csv").set_index("file")["rec"]
    cases = pd.read_csv(out / "cases.csv").set_index("id")["rec"]
    assert len(table) == 31
    for name, score in cases.items():
        assert table[str(name).removeprefix("archive/")] == pytest.approx(score, abs=1e-5)


def test_no_patient_is_in_anything_that_is_written(
    hospital: Path, done: tuple[Path, list[Result], str], request: pytest.FixtureRequest
) -> None:
    """Every byte of outputs, logs, databases and artifacts; names of files too. The inputs do hold what is sought."""
    out, said, uri = done
    benched = out.with_name("benched")
    evaluated = medad_(
        "evaluate", out / "model", "--data", hospital, "--out", benched, "--tracking-uri", uri, "--experiment", "more"
    )
    assert evaluated.exit_code == 0, evaluated.output
    places = [out.parent]
    if uri.startswith("sqlite"):
        places.append(Path(uri.removeprefix("sqlite:///")).parent)
    else:
        places.append(request.getfixturevalue("mlflow_server").folder)
    texts = {str(path): path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}
    texts["printed"] = "".join(one.output for one in [*said, evaluated]).encode()
    texts["names"] = "\n".join(texts).encode()
    assert {"mlflow.db", "server.db"} & {Path(name).name for name in texts}
    assert {"cases.csv", "report.html", "model.json", "log.txt", "MLmodel"} <= {Path(name).name for name in texts}
    for where, text in texts.items():
        for value in PLANTED:
            assert value.encode() not in text, f"{value} in {where}"
    inputs = b"".join(path.read_bytes() for path in (hospital / "archive").rglob("im1"))
    assert all(value.encode() in inputs for value in PLANTED)


def test_without_test_rows_it_trains_and_registers(hospital: Path, empty_store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    shutil.copy(empty_store, tmp_path / "out" / "mlflow.db")
    rows = [row for row in csv.reader((hospital / "manifest.csv").open()) if row[1] != "test"]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *([str(hospital / row[0]), *row[1:]] for row in rows[1:])])
    arguments = ["run", "clinical_experiment", "--set", f"data={tmp_path / 'manifest.csv'}", "--out", tmp_path / "out"]
    tracking = ["--set", "tracking={experiment: ward, model: ward-7}"]
    said = medad_(*arguments, *OPTIONS, *tracking)
    assert said.exit_code == 0, said.output
    assert "evaluate: left out: the manifest has no test rows of both classes" in said.output
    client = connect(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    assert client.get_model_version_by_alias("ward-7", "candidate").version
    assert client.get_experiment_by_name("ward") is not None
    other = medad_(*arguments, *OPTIONS, *tracking, "--set", "components=5")
    assert other.exit_code == 2
    assert "choose a new --out" in " ".join(other.output.split())


def test_a_file_that_cannot_be_read_stops_it_before_training(hospital: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    whole = hospital / "archive" / "000" / "im1"
    rows = [("file", "role", "label"), (whole, "normal", ""), (tmp_path / "broken.png", "normal", "")]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    nowhere = ["--tracking-uri", "http://127.0.0.1:9"]  # nor does a server that is down stop it from saying so
    data = ["--set", f"data={tmp_path / 'manifest.csv'}", "--out", tmp_path / "out"]
    said = medad_("run", "clinical_experiment", *data, *OPTIONS, *nowhere)
    assert said.exit_code == 2
    assert "1 of 2 studies cannot be read" in " ".join(said.output.split())
    assert not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("clinical_experiment",), "say what to run on: --set data=MANIFEST"),
        (("ddad", "--set", "data=x.csv"), "has no stages"),
        (("clinical_experiment", "--set", "data=x.csv", "--set", "seeds=[0,1]"), "a run of stages has one seed"),
        (
            ("clinical_experiment", "--set", "data=x.csv", "--set", "candidate=pca"),
            "candidate='pca' is none of its methods",
        ),
        (("clinical_experiment", "--set", "data=x.csv", "--set", "stages=[train,fly]"), "is not allowed"),
        (("clinical_experiment", "--set", "data=nothing.csv"), "nothing.csv"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    refused = medad_("run", *arguments, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert said in " ".join(refused.output.split())


def test_a_score_that_does_not_separate_is_said_and_may_refuse_the_model(
    hospital: Path, empty_store: Path, tmp_path: Path
) -> None:
    """Test labels that have nothing to do with the images: refused by one setting, registered with a warning by one."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(empty_store, out / "mlflow.db")
    rows = list(csv.reader((hospital / "manifest.csv").open()))
    mixed = [
        (str(hospital / name), role, str(place % 2) if role == "test" else label, *rest)
        for place, (name, role, label, *rest) in enumerate(rows[1:])
    ]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *mixed])
    arguments = ["run", "clinical_experiment", "--set", f"data={tmp_path / 'manifest.csv'}", "--out", out, *OPTIONS]
    refused = medad_(*arguments, "--set", "registration=if_separates")
    assert refused.exit_code == 1, refused.output
    words = " ".join(refused.output.split())
    assert "(!) not shown to separate normal from abnormal studies: the interval of the AUC holds 0.5: pca rec" in words
    assert "register: not registered: registration=if_separates, and the score is not shown to separate" in words
    assert f"next: medad score {out / 'model'} FOLDER" in words
    client = connect(f"sqlite:///{out / 'mlflow.db'}")
    assert client.search_model_versions("name = 'clinical'") == []
    registered = medad_(*arguments, "--set", "registration=always")
    assert registered.exit_code == 0, registered.output
    assert "evaluate: finished before" in registered.output
    words = " ".join(registered.output.split())
    assert "register: models:/clinical@candidate (!) not shown to separate" in words
    runs = runs_of(client)
    for name in ("clinical_experiment", "evaluate", "register"):
        assert runs[name].data.tags["medad.findings"] == "rec: no_separation"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.index("not shown to separate") < page.index("<nav")


def test_what_registers_a_model_is_a_setting(tmp_path: Path) -> None:
    def why(registration: str) -> str:
        return Clinical(None, (), None, None, tmp_path, None, "ward", registration).unregistered()

    assert why("always") == ""
    assert why("never") == "the pipeline says registration=never"
    assert "needs test rows of both classes" in why("if_separates")
    row = {"score": "rec", "primary": True, "auc": 0.7, "auc_low": 0.4, "auc_high": 0.9}
    (tmp_path / "result.json").write_text(json.dumps({"rows": [row]}))
    assert "not shown to separate" in why("if_separates")
    (tmp_path / "result.json").write_text(json.dumps({"rows": [{**row, "auc_low": 0.6}]}))
    assert why("if_separates") == ""


def test_methods_are_compared_and_one_is_registered(hospital: Path, empty_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(empty_store, out / "mlflow.db")
    arguments = ["run", "clinical_experiment", "--set", f"data={hospital}", "--out", out, *OPTIONS]
    ran = medad_(*arguments, "--set", "methods=[pca,max_intensity]", "--set", "candidate=max_intensity")
    assert ran.exit_code == 0, ran.output
    words = " ".join(ran.output.split())
    assert "evaluate: max_intensity: AUC" in words
    assert "pca: AUC rec" in words
    cards = [json.loads((folder / "model" / "model.json").read_text()) for folder in (out, out / "compared" / "pca")]
    assert [card["method"] for card in cards] == ["max_intensity", "pca"]
    assert cards[0]["trained_on"] == cards[1]["trained_on"]
    runs = runs_of(connect(f"sqlite:///{out / 'mlflow.db'}"))
    assert set(runs) == {"clinical_experiment", *STAGES, "train pca", "evaluate pca"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "max_intensity" in page
    assert "pca" in page
    assert len(json.loads((out / "clinical.json").read_text())["identity"]["experiments"]) == 2
