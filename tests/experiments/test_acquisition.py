"""An experiment whose archive has another frame: said in log, card, row, cases and report, and the AUC is adjusted."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.acquired import framed, scan
from helpers.making_studies import make_experiment, run_one
from PIL import Image

from medad.evaluation.findings import findings
from medad.model import load
from medad.outputs.report import write_report
from medad.outputs.tables import acquisition_lines, result_lines
from medad.results.finished import charted
from medad.splits import Pools
from medad.types import Study

FRAMED = {"normal": 0.1, "u0": 0.9, "u1": 0.9, "test0": 0.2, "test1": 0.7}
COUNTS = {"normal": 40, "u0": 15, "u1": 15, "test0": 50, "test1": 50}


def written(root: Path) -> Pools:
    """No scan has a lesion: abnormal ones differ by how often they have a frame."""
    rng = np.random.default_rng(0)
    pools: dict[str, list[Study]] = {}
    for name, count in COUNTS.items():
        for index in range(count):
            image = scan(rng)
            image = framed(image) if rng.random() < FRAMED[name] else image
            path = root / f"{name}-{index}.png"
            Image.fromarray(image.astype(np.uint8)).save(path)
            pools.setdefault(name, []).append(Study(path.stem, (path,), label=int(name in ("u1", "test1"))))
    return Pools(*(tuple(pools[name]) for name in COUNTS))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    root = tmp_path_factory.mktemp("frames")
    pools = written(root)
    rows, _ = run_one(make_experiment("acquisition", size=48), pools, root / "out")
    return rows[0], root / "out"


def test_the_row_says_that_the_score_is_acquisition(ended: tuple[dict[str, Any], Path]) -> None:
    row, _ = ended
    assert row["auc_low"] > 0.55
    assert row["acquisition_auc"] > 0.6
    assert row["auc_adjusted_low"] < 0.5 < row["auc_adjusted_high"]
    assert row["n_comparable"] >= 10
    assert row["adjusted_note"] == ""
    assert "acquisition" in {finding.kind for finding in findings(row)}
    assert "acquisition" in row["findings"]
    assert charted(row)["auc_adjusted"] == row["auc_adjusted"]
    headings, lines = result_lines([row])
    assert f"{row['auc_adjusted']:.3f}" in lines[0][list(headings).index("adjusted AUC")]
    assert "acquisition facts alone reach AUC" in acquisition_lines([row])[1]


def test_card_cases_and_report_have_it(ended: tuple[dict[str, Any], Path]) -> None:
    row, out = ended
    card = load(out / "model").card
    assert card.acquisition is not None
    assert "border" in card.acquisition_notes[0]
    with (out / "cases.csv").open() as file:
        covariates = [float(case["covariate"]) for case in csv.DictReader(file)]
    assert len(set(covariates)) > 50
    page = write_report(out).read_text(encoding="utf-8")
    assert "adjusted AUC (95% interval)" in page
    assert "cquisition facts tell the archive from known normals" in page
    assert "cquisition facts tell test normals from known normals" in page
    assert f"{row['auc_adjusted']:.3f}" in page


def test_few_studies_are_said_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from helpers.making_studies import make_pools

    with caplog.at_level(logging.INFO):
        rows, _ = run_one(make_experiment("max_intensity"), make_pools(tmp_path / "images"), tmp_path / "out")
    assert rows[0]["auc_adjusted"] is None
    assert rows[0]["adjusted_note"] == "the training had too few studies for a model of their acquisition"
    assert "adjusted AUC" not in result_lines(rows)[0]
