"""`medad data` in process, and what reads a manifest: `medad train --data` and `medad bench --data`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making import FAST, gray_image, write_dicom, write_med_ad
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.registry import datasets

FAST_OPTIONS = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def scans(folder: Path, count: int, first: int, abnormal: bool = False) -> Path:
    rng = np.random.default_rng(first)
    for index in range(first, first + count):
        image = gray_image(rng, abnormal, 40)
        write_dicom(folder / f"{index:03d}.dcm", image, Modality="DX", PatientID=f"SECRET-{index}")
    return folder


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of DICOM radiographs, and a manifest over all of them in study/."""
    root = tmp_path_factory.mktemp("hospital")
    normal, archive = scans(root / "normal", 9, 0), scans(root / "archive", 8, 20)
    fine, sick = scans(root / "fine", 4, 40), scans(root / "sick", 4, 60, abnormal=True)
    options = ("--normal", normal, "--unlabeled", archive, "--test-normal", fine, "--test-abnormal", sick)
    done = run("data", "init", *options, root / "study", "--workers", "1")
    assert done.exit_code == 0, done.output
    return root


def test_from_folders_to_a_model(hospital: Path, tmp_path: Path) -> None:
    """The README's journey: init, check, train; nothing that is written names a patient."""
    done = run("data", "check", hospital / "study", "--workers", "1")
    assert done.exit_code == 0, done.output
    assert "study: manifest; normal 9, unlabeled 8, test normal 4, test abnormal 4" in done.output
    assert "no defects" in done.output
    training = ("train", "ddad", "--data", hospital / "study", "--out", tmp_path / "model", *FAST_OPTIONS)
    done = run(*training)
    assert done.exit_code == 0, done.output
    card = json.loads((tmp_path / "model" / "model" / "model.json").read_text())
    learned = {key: card["trained_on"][key] for key in ("dataset", "split", "normal", "unlabeled")}
    assert learned == {"dataset": "study", "split": "manifest", "normal": 9, "unlabeled": 8}
    again = run(*training)
    assert again.exit_code == 0, again.output
    written = [path for folder in (tmp_path, hospital / "study") for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in written if b"SECRET" in path.read_bytes()]
    scored = run("score", tmp_path / "model" / "model", hospital / "sick", "--out", tmp_path / "scores")
    assert scored.exit_code == 0, scored.output
    assert "4 scored" in scored.output


def test_training_needs_no_test_rows_and_knows_its_model_again_by_what_was_learned(
    hospital: Path, tmp_path: Path
) -> None:
    lines = (hospital / "study" / "manifest.csv").read_text().splitlines()
    manifest, pipeline = hospital / "study" / "ward.csv", tmp_path / "pca.yaml"
    pipeline.write_text("methods: [pca]\nsettings: {size: 32, components: 3}\n")
    training = ("train", pipeline, "--data", manifest, "--out", tmp_path / "model", "--no-tracking")
    manifest.write_text("\n".join(line for line in lines if ",test," not in line) + "\n")
    first = run(*training)
    assert first.exit_code == 0, first.output
    weights = (tmp_path / "model" / "model" / "weights.safetensors").stat().st_mtime_ns
    manifest.write_text("\n".join(lines) + "\n")
    assert run(*training).exit_code == 0
    assert (tmp_path / "model" / "model" / "weights.safetensors").stat().st_mtime_ns == weights
    manifest.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    other = run(*training)
    assert (other.exit_code, "made with other data" in other.output) == (2, True)


def test_a_bench_by_manifest(hospital: Path, tmp_path: Path) -> None:
    """The unlabeled rows carry no label: they are taken as they are, and the table says so."""
    bench = ("bench", "--data", hospital / "study", "--out", tmp_path, "--methods", "pca,acquisition")
    options = ("--no-tracking", "--set", "size=32", "--set", "components=3")
    done = run(*bench, *options)
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(tmp_path / "results.csv")
    assert set(rows["dataset"]) == {"study"}
    assert set(rows["split"]) == {"manifest"}
    assert rows["anomaly_rate"].isna().all()
    assert rows["n_unlabeled"].to_dict() == {0: 0, 1: 8}  # PCA learns from normals alone
    assert rows["n_unlabeled_abnormal"].isna().to_dict() == {0: False, 1: True}
    assert "8 unknown" in done.output
    assert "2 kept from before" in run(*bench, *options).output
    swept = run(*bench, *options, "--anomaly-rates", "0,0.5")
    assert swept.exit_code == 2
    assert "no anomaly rates can be composed" in swept.output


def test_a_bench_by_manifest_with_known_labels_composes_the_rate(hospital: Path, tmp_path: Path) -> None:
    table = pd.read_csv(hospital / "study" / "manifest.csv", dtype=str)
    table.loc[table["role"] == "unlabeled", "label"] = ["0", "1"] * 4
    table.to_csv(hospital / "study" / "labeled.csv", index=False)
    bench = ("bench", "--data", hospital / "study" / "labeled.csv", "--out", tmp_path, "--methods", "acquisition")
    done = run(*bench, "--no-tracking", "--set", "size=32", "--set", "anomaly_rate=0.2")
    assert done.exit_code == 0, done.output
    row = pd.read_csv(tmp_path / "results.csv").iloc[0]
    assert (row["dataset"], row["n_unlabeled"], row["n_unlabeled_abnormal"]) == ("labeled", 5, 1)


def test_a_manifest_beside_a_data_set(hospital: Path, tmp_path: Path) -> None:
    write_med_ad(tmp_path / "data")
    words = ("bench", "--data", hospital / "study", "--datasets", "braintumor", "--data-root", tmp_path / "data")
    done = run(*words, "--out", tmp_path / "out", "--methods", "max_intensity", "--no-tracking", "--set", "size=32")
    assert done.exit_code == 0, done.output
    assert list(pd.read_csv(tmp_path / "out" / "results.csv")["dataset"]) == ["braintumor", "study"]


def test_what_a_manifest_cannot_be_used_for(hospital: Path, tmp_path: Path) -> None:
    lines = (hospital / "study" / "manifest.csv").read_text().splitlines()
    for name, kept, said in (
        ("training", lambda line: ",test," not in line, "of 0 normal and 0 abnormal patients"),
        ("rsna", lambda line: True, "called 'rsna' like a data set"),
    ):
        path = hospital / "study" / f"{name}.csv"
        path.write_text("\n".join(line for line in lines if kept(line)) + "\n")
        done = run("bench", "--data", path, "--out", tmp_path / name, "--methods", "max_intensity", "--no-tracking")
        assert (done.exit_code, said in done.output) == (2, True), done.output
    done = run("train", "--data", hospital / "study", "--normal", hospital / "normal", "--out", tmp_path)
    assert (done.exit_code, "say what to train on" in done.output) == (2, True)
    done = run("train", "--data", tmp_path / "gone.csv", "--out", tmp_path)
    assert (done.exit_code, "no such file" in done.output) == (2, True)


def test_check_says_what_is_wrong_by_its_exit_code(hospital: Path, tmp_path: Path) -> None:
    brain = write_med_ad(tmp_path)
    sound = run("data", "check", tmp_path, "--workers", "1")
    assert sound.exit_code == 0, sound.output
    assert "Brain Tumor MRI: custom split; train normal 9" in sound.output
    assert "note: train normal: 9 images, published 1000" in sound.output
    (brain / "images" / "0003.png").write_bytes(b"torn")
    broken = run("data", "check", brain, "--workers", "1")
    assert broken.exit_code == 1
    assert "defect: cannot read 0003.png" in broken.output
    assert run("data", "check", hospital / "normal").exit_code == 2


def test_list_and_info(tmp_path: Path) -> None:
    write_med_ad(tmp_path)
    (tmp_path / "LAG").mkdir()
    (tmp_path / "LAG" / "data.json").write_text("[]")
    done = run("data", "list", "--data-root", tmp_path)
    assert done.exit_code == 0, done.output
    rows = {line.split()[1]: line for line in done.output.splitlines() if line.startswith("│")}
    assert set(datasets.names()) <= set(rows)
    assert "custom split: 9 + 5 + 7 + 6 + 4" in rows["braintumor"]
    assert "broken" in rows["lag"]
    assert "not there" in rows["rsna"]
    for name in datasets.names():
        assert datasets.get(name).about.citation in run("data", "info", name).output
    wrong = run("data", "info", "rnsa")
    assert (wrong.exit_code, "did you mean 'rsna'?" in wrong.output) == (2, True)


def test_prepare_by_command(tmp_path: Path) -> None:
    for options, said in (
        (("rsna", tmp_path / "gone", tmp_path), "no such folder"),
        (("rsna", tmp_path, tmp_path / "out"), "stage_2_detailed_class_info.csv"),
        (("mvtec", tmp_path, tmp_path / "out"), "nothing to prepare"),
        (("rsna", tmp_path, tmp_path, "--preprocessing", "best"), "choose from published, clinical"),
    ):
        done = run("data", "prepare", *options)
        assert (done.exit_code, said in done.output) == (2, True), done.output
    assert not list(tmp_path.iterdir())


def test_init_needs_something_to_look_at(tmp_path: Path) -> None:
    for options in ((), ("--normal", tmp_path, "--table", tmp_path / "t.csv")):
        done = run("data", "init", tmp_path / "out", *options)
        assert (done.exit_code, "say where the studies are" in done.output) == (2, True)


def test_help_and_listing_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom medad.cli import app\n"
        "for words in (['data', '--help'], ['data', 'list'], ['data', 'info', 'lag'], ['data', 'init', 'x']):\n"
        "    try:\n        app(words)\n    except SystemExit:\n        pass\n"
        "heavy = {'torch', 'monai', 'mlflow', 'pandas', 'matplotlib', 'sklearn', 'pydicom', 'numpy'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stdout, (done.stdout, done.stderr)
