"""`medad demo` end to end with few subjects, and what it must not write."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from helpers.making import FAST
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.datasets.demo import files
from medad.datasets.demo.files import DemoCounts

SETTINGS = {**FAST, "calibration": 0.5, "components": 4, "backbone": "resnet18", "weights": "none"}
OPTIONS = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
PATIENT_TAGS = ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyInstanceUID")
PATIENT_TAGS += ("SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Result]:
    """The output folder, and what the command said the first and the second time."""
    out = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "DemoCounts", lambda: DemoCounts(18, 6, 8, 6, 6))
        first = CliRunner().invoke(app, ["demo", "--out", str(out), *OPTIONS])
        again = CliRunner().invoke(app, ["demo", "--out", str(out), *OPTIONS])
    return out, first, again


def test_it_ends_with_a_table_a_picture_and_what_to_type_next(demo: tuple[Path, Result, Result]) -> None:
    out, first, _ = demo
    assert first.exit_code == 0, first.output
    for words in (
        "reconstruction error (single network)",
        "inter-discrepancy",
        "maximum intensity",
        "pca",
        "mlflow ui",
        "medad score",
    ):
        assert words in first.output
    picture = Path(next(line for line in first.output.splitlines() if line.startswith("picture:")).split()[-1])
    assert picture.read_bytes().startswith(b"\x89PNG")
    results = pd.read_csv(out / "results.csv")
    assert set(results["method"]) == {"max_intensity", "acquisition", "pca", "ddad", "ratio"}
    scores = pd.read_csv(out / "scores" / "scores.csv")
    assert scores["status"].value_counts().to_dict() == {"scored": 12, "skipped": 1}
    assert {path.name for path in out.parent.iterdir()} == {"out"}


def test_the_second_time_nothing_is_run_again(demo: tuple[Path, Result, Result]) -> None:
    _, _, again = demo
    assert again.exit_code == 0, again.output
    assert "0 experiments run, 5 kept" in again.output


def test_no_patient_reaches_anything_that_is_written(demo: tuple[Path, Result, Result]) -> None:
    """The values of the patient tags of every DICOM file, in every byte of every output, and in what was printed."""
    out, first, again = demo
    planted = set()
    for item in json.loads((out / "data" / "demo" / "demo.json").read_text())["studies"]:
        for name in item["files"]:
            if not name.endswith(".nii.gz"):
                header = pydicom.dcmread(out / "data" / "demo" / name, stop_before_pixels=True)
                planted |= {str(header[tag].value).encode() for tag in PATIENT_TAGS}
    assert len(planted) > 100
    written = [path for path in out.rglob("*") if path.is_file()]
    outputs = [path for path in written if not {"data", "inbox"} & set(path.relative_to(out).parts[:1])]
    assert {"mlflow.db", "scores.csv", "results.csv", "panel.png", "ledger.sqlite"} <= {path.name for path in outputs}
    texts = {str(path): path.read_bytes() + str(path).encode() for path in outputs}
    texts["printed"] = (first.output + again.output).encode()
    for where, text in texts.items():
        found = [value for value in planted if value in text]
        assert not found, f"{where}: {found[:3]}"
