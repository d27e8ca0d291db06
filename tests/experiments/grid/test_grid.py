"""Which results are a bench's own, and what it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pandas as pd
import pytest
from helpers.making import write_med_ad
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.experiments.grid.grid import BenchError, alone
from medad.results.row import ResultRow
from medad.tracking.journal import read

QUICK = ("--methods", "max_intensity", "--set", "size=32", "--set", "resamples=100", "--no-tracking")


def bench(place: Path, *options: str) -> Result:
    common = ("bench", "--out", str(place / "out"), "--data-root", str(place / "data"))
    return CliRunner().invoke(app, [*common, *QUICK, *options])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data sets, and a bench of the first in ``out``."""
    root = tmp_path_factory.mktemp("bench")
    write_med_ad(root / "data")
    write_med_ad(root / "data", "LAG")
    done = bench(root, "--datasets", "braintumor")
    assert done.exit_code == 0, done.output
    return root


def test_a_path_is_printed_only_if_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    done = bench(tmp_path, "--datasets", "rsna,vindr")
    assert done.exit_code == 2
    assert "results.csv" not in done.output
    assert done.output.count("missing: rsna") == 1
    assert "nothing was run" in done.output
    assert not (tmp_path / "out").exists()


def test_nothing_to_run_prints_no_other_benchs_table(place: Path) -> None:
    before = (place / "out" / "results.csv").read_bytes()
    done = bench(place, "--datasets", "rsna")
    assert done.exit_code == 2
    assert "results" not in done.output
    assert (place / "out" / "results.csv").read_bytes() == before


def test_table_report_and_run_are_of_the_benchs_own_cells(place: Path) -> None:
    done = bench(place, "--datasets", "lag")
    assert done.exit_code == 0, done.output
    assert "braintumor" not in done.output
    assert "1 experiment run, 0 kept from before, 0 failed" in done.output
    assert "not in this table: 1 experiment of other benches" in done.output
    assert list(pd.read_csv(place / "out" / "results.csv")["dataset"]) == ["lag"]
    assert "braintumor" not in (place / "out" / "report.html").read_text()
    assert len(list((place / "out" / "runs").glob("bench*.jsonl"))) == 2  # a run in MLflow for each

    again = bench(place, "--datasets", "braintumor")  # what has finished is there, and its table comes back
    assert "0 experiments run, 1 kept from before" in again.output
    assert list(pd.read_csv(place / "out" / "results.csv")["dataset"]) == ["braintumor"]
    assert "braintumor" in (place / "out" / "report.html").read_text()


def test_every_column_of_the_table_is_defined_with_its_type(place: Path) -> None:
    """Operating points add columns of their own names; all others are those of ResultRow, which reads them back."""
    (table,) = (place / "out" / "cells").glob("braintumor*/results.csv")
    columns = set(pd.read_csv(table).columns)
    point = re.compile(r".+_(threshold|sensitivity|specificity|ppv|npv)(_low|_high)?")
    assert {name for name in columns - set(get_type_hints(ResultRow)) if not point.fullmatch(name)} == set()
    assert {"auc", "f1_max_low", "clusters", "split", "n_unlabeled", "findings", "seconds"} <= columns


def test_a_run_is_told_only_the_figures_that_people_chart(place: Path) -> None:
    (journal,) = (place / "out" / "cells").glob("braintumor*/runs/cell.jsonl")
    names = {event["name"] for event in read(journal)[0] if event["kind"] == "metric"}
    assert names == {"braintumor/max/auc", "braintumor/max/ap"}
    table = {Path(event["file"]).name for event in read(journal)[0] if event["kind"] == "table"}
    assert "results.csv" in table
    assert "auc_low" in pd.read_csv(journal.parents[1] / "results.csv").columns


def test_a_second_run_with_nothing_to_do_imports_nothing_heavy(place: Path) -> None:
    assert bench(place, "--datasets", "braintumor").exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*") if path.is_file()}
    code = (
        "import sys\nfrom medad.cli import main\ntry:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        "print([n for n in ('torch', 'monai', 'mlflow', 'pandas', 'matplotlib', 'scipy') if n in sys.modules], code)"
    )
    words = ("bench", "--out", place / "out", "--data-root", place / "data", "--datasets", "braintumor", *QUICK)
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stdout + done.stderr
    assert "0 experiments run, 1 kept from before" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*") if path.is_file()} == before


def test_two_benches_do_not_share_a_folder_at_once(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(BenchError, match="another medad is at work here"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass
