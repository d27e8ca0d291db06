"""`medad threshold`: operating points from a validation set, stored in the model and used by the next evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from helpers.making_studies import make_experiment, make_pools, run_one
from typer.testing import CliRunner, Result

from medad.cli import app


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cell")
    run_one(make_experiment("max_intensity", calibration=0.3), make_pools(root / "images"), root)
    return root


def threshold(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["threshold", *map(str, arguments)])


def test_thresholds_are_stored_beside_those_of_held_out_normals(cell: Path) -> None:
    before = json.loads((cell / "model" / "model.json").read_text())
    done = threshold(cell / "model", cell / "cases.csv", "--set", "sensitivities=[0.5]", "--set", "specificities=[0.6]")
    assert done.exit_code == 0, done.output
    card = json.loads((cell / "model" / "model.json").read_text())
    points = card.pop("thresholds")["max"]
    assert list(points) == ["spec80", "spec60", "sens50"]
    assert points["spec80"] == before.pop("thresholds")["max"]["spec80"]
    assert card == before
    cases = pd.read_csv(cell / "cases.csv")
    assert (cases.loc[cases["label"] == 1, "max"] > points["sens50"]).mean() >= 0.5
    assert "sens50 above" in done.output


def test_a_table_that_gives_none_is_refused_and_the_model_left_alone(cell: Path, tmp_path: Path) -> None:
    before = (cell / "model" / "model.json").read_bytes()
    table = tmp_path / "cases.csv"
    for text, said in (
        ("id,label\na,0\n", "no column 'max'"),
        ("id,label,max\na,0,1\nb,2,1\nc,1,x\n", "2 of 3 rows lack a label of 0 or 1, or a score"),
        ("id,label,max\na,0,1\n", "needs abnormal studies in the validation set"),
        ("", "not readable as a CSV table"),
    ):
        table.write_text(text)
        done = threshold(cell / "model", table)
        assert done.exit_code == 2
        assert said in " ".join(done.output.split())
    assert threshold(tmp_path, table).exit_code == 2
    assert (cell / "model" / "model.json").read_bytes() == before
