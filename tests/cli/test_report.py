"""The page that a bench ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from helpers.making import write_med_ad
from typer.testing import CliRunner

from medad.cli import app

SETTINGS = {"size": 16, "batch_size": 4, "components": 4, "calibration": 0.4}


def test_a_bench_ends_with_a_page_of_its_numbers_and_cases(tmp_path: Path) -> None:
    write_med_ad(tmp_path / "data", counts=(50, 3, 4, 12, 10))
    out = tmp_path / "out"
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    grid = ["--datasets", "braintumor", "--methods", "pca,max_intensity", "--data-root", str(tmp_path / "data")]
    done = CliRunner().invoke(app, ["bench", "--out", str(out), *grid, "--no-tracking", "--device", "cpu", *settings])
    assert done.exit_code == 0, done.output
    assert f"report:  {out / 'report.html'}" in done.output
    page = (out / "report.html").read_text(encoding="utf-8")
    rows = [row for path in out.glob("cells/*/result.json") for row in json.loads(path.read_text())["rows"]]
    assert {row["method"] for row in rows} == {"pca", "max_intensity"}
    for row in rows:
        assert f"{row['auc']:.3f} ({row['auc_low']:.3f}\u2013{row['auc_high']:.3f})" in page
    ids = [
        entry["id"] for path in out.glob("cells/*/cases/cases.json") for entry in json.loads(path.read_text())["cases"]
    ]
    assert len(ids) == 24
    assert all(name in page for name in ids)
    tested = pd.read_csv(out / "report" / "false_alarms.csv")
    assert set(tested["n_calibration"]) == {20}
    assert len(pd.read_csv(out / "report" / "comparisons.csv")) == 2  # AUC and AP
