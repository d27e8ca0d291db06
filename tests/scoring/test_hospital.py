"""A made-up hospital's folder through `medad score`: every good study scored, every other file with its true reason."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import hospital
from typer.testing import CliRunner

from medad.cli import app


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital.model(tmp_path_factory.mktemp("model"))


def test_every_file_ends_as_the_row_it_should(model: Path, tmp_path: Path) -> None:
    made = hospital.build(tmp_path / "in", 300)
    folders = [str(model), str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["score", *folders, "--heatmaps", "all"])
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.output
    check(made, tmp_path / "out")


def check(made: hospital.Hospital, out: Path) -> None:
    """The table's rows against those that were expected, all of them."""
    table = pd.read_parquet(out / "scores.parquet").set_index("file")
    assert not set(made.rows) - set(table.index), "files without a row"
    assert not set(table.index) - set(made.rows), "rows that nobody expected"
    wrong = []
    for name, expected in made.rows.items():
        row = table.loc[name]
        bad = row["status"] not in expected.statuses or row["files"] != expected.files
        if row["status"] != "scored":
            bad = bad or not row["reason"] or not re.search(expected.reason, row["reason"])
        if bad:
            wrong.append((name, expected, row["status"], row["reason"], row["files"]))
    assert not wrong, wrong[:5]
    assert not table["reason"].str.contains("internal error|Secret|SECRET|Traceback").any()
    scored = table[table["status"] == "scored"]
    assert np.isfinite(scored[["rec", "intra"]].to_numpy()).all()
    assert table.loc[table["status"] != "scored", ["rec", "intra"]].isna().all(axis=None)
    with_pictures = scored[scored["heatmap"] != ""]
    assert all((out / name).is_file() for name in with_pictures["heatmap"])


class Memory(threading.Thread):
    """The highest sum of the memory of a process and its children, read from /proc four times a second.

    It is the proportional share (PSS): a page that several processes share counts once in all.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self.process = process
        self.peak = 0

    def run(self) -> None:
        while self.process.poll() is None:
            self.peak = max(self.peak, sum(_pss(pid) for pid in _family(self.process.pid)))
            time.sleep(0.25)


def _family(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(one) for one in task.read_text().split()]
        except OSError:
            continue
    return [pid, *(found for child in children for found in _family(child))]


def _pss(pid: int) -> int:
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize(("few", "many"), [(500, 3_000), (500, 20_000)])
def test_many_files_take_the_memory_of_few(model: Path, tmp_path: Path, few: int, many: int) -> None:
    """The proportional share of the whole process tree, workers and all."""
    peaks = {}
    for count in (few, many):
        began = time.monotonic()
        made = hospital.build(tmp_path / f"in{count}", count)
        built = time.monotonic() - began
        out = tmp_path / f"out{count}"
        command = ["score", str(model), str(made.root), "--out", str(out), "--heatmaps", "none", "--workers", "2"]
        code = "from medad.cli import main; main()"
        with (tmp_path / f"log{count}").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *command], stdout=log, stderr=subprocess.STDOUT, text=True
            )
            memory = Memory(process)
            memory.start()
            status = process.wait()
            memory.join()
        said = (tmp_path / f"log{count}").read_text()
        assert status == 1, said[-2000:]
        assert "Traceback" not in said
        check(made, out)
        peaks[count] = memory.peak
        seconds = time.monotonic() - began - built
        sys.stdout.write(
            f"\n{made.written} files, built in {built:.0f} s, {seconds:.0f} s to score and check, "
            f"peak {memory.peak >> 10} MiB\n"
        )
    assert peaks[many] <= 1.15 * peaks[few], peaks
