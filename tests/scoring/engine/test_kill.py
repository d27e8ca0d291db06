"""What a run survives: SIGKILL at any moment, a killed worker, a second run beside it, a full disk, a lost folder."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from helpers.runs import LOG, TABLE, children, drawn, mixed, score, started

from medad.data.preprocessing import Preprocessing
from medad.model import load
from medad.scoring import ScoreSettings, ScoringError, score_folder
from medad.scoring.index.ledger import Ledger, LedgerError


def until(condition, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def slowly(seconds: float) -> None:
    """Reading takes longer; in the process that calls this, and those that it forks."""
    read = Preprocessing.read

    def slow(self, study):  # type: ignore[no-untyped-def]
        time.sleep(seconds)
        return read(self, study)

    Preprocessing.read = slow  # type: ignore[method-assign]


def killed_and_resumed(model: Path, box: Path, out: Path, moments: list[float], **settings: object) -> int:
    """Kill a run after each of ``moments`` in seconds, then let it finish; how many were killed half-way."""
    hit = 0
    for moment in moments:
        process = started(model, box, out, lambda: slowly(0.02), **settings)
        process.join(moment)
        process.kill()
        process.join()
        hit += process.exitcode == -signal.SIGKILL
    score(model, box, out, **settings)
    return hit


def test_killed_three_times_the_table_and_the_pictures_have_the_same_bytes(
    model: Path, box: Path, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    table = score(model, box, whole, heatmaps="all").read_bytes()
    assert killed_and_resumed(model, box, out, [0.15, 0.45, 0.6], heatmaps="all") >= 2
    assert (out / TABLE).read_bytes() == table
    assert drawn(out) == drawn(whole)
    written = lines(out / LOG)
    assert len(written) == len(set(written)), "a study was scored twice"


@pytest.mark.slow
def test_killed_at_ten_random_moments_the_table_has_the_same_bytes(model: Path, tmp_path: Path) -> None:
    box = mixed(tmp_path / "box", radiographs=300)
    began = time.monotonic()
    whole = score(model, box, tmp_path / "whole", heatmaps="all").read_bytes()
    longest = time.monotonic() - began
    draw = random.Random(1)
    out = tmp_path / "out"
    assert (
        killed_and_resumed(model, box, out, [draw.uniform(0.05, longest / 4) for _ in range(10)], heatmaps="all") >= 8
    )
    assert (out / TABLE).read_bytes() == whole
    written = lines(out / LOG)
    assert len(written) == len(set(written)), "a study was scored twice"
    heatmaps = sorted(path.relative_to(out) for path in (out / "heatmaps").rglob("*.png"))
    first = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole" / "heatmaps").rglob("*.png"))
    assert heatmaps == first


def test_a_worker_that_is_killed_costs_nothing(model: Path, box: Path, undisturbed: bytes, tmp_path: Path) -> None:
    process = started(model, box, tmp_path, lambda: slowly(0.05))
    until(lambda: lines(tmp_path / LOG))
    os.kill(children(process.pid or 0)[0], signal.SIGKILL)
    process.join(60)
    assert process.exitcode == 0
    assert (tmp_path / TABLE).read_bytes() == undisturbed


def test_workers_end_with_a_run_that_is_killed(model: Path, box: Path, tmp_path: Path) -> None:
    process = started(model, box, tmp_path, lambda: slowly(60))
    until(lambda: (tmp_path / "ledger.sqlite").exists() and len(children(process.pid or 0)) == 2)
    workers = children(process.pid or 0)
    process.kill()
    process.join()
    until(lambda: not any(Path(f"/proc/{worker}").exists() and not zombie(worker) for worker in workers), 10)


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_of_two_runs_on_one_output_folder_one_says_so(model: Path, box: Path, tmp_path: Path) -> None:
    process = started(model, box, tmp_path, lambda: slowly(60))
    until(lambda: lines(tmp_path / "ledger.lock"))
    with pytest.raises(LedgerError, match=f"in use by another medad .process {process.pid}"):
        score(model, box, tmp_path)
    with pytest.raises(LedgerError, match="in use"):  # starting anew must not pull the ledger from under it
        score_folder(load(model), box, tmp_path, ScoreSettings(), restart=True)
    process.kill()
    process.join()
    assert score(model, box, tmp_path).is_file()  # a dead process locks nothing


def test_a_file_that_hangs_and_one_that_crashes_cost_themselves_only(
    model: Path, box: Path, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Preprocessing.read

    def bad(self, study):  # type: ignore[no-untyped-def]
        if study.id == "day0/IM0000":
            time.sleep(60)
        if study.id == "volume.nii.gz":
            os.kill(os.getpid(), signal.SIGSEGV)
        return read(self, study)

    monkeypatch.setattr(Preprocessing, "read", bad)
    rows = {
        next(csv.reader([line]))[4]: line for line in score(model, box, tmp_path, timeout=1).read_text().splitlines()
    }
    assert "longer than 1 s (timeout), twice" in rows["day0/IM0000"]
    assert "signal SIGSEGV), twice" in rows["volume.nii.gz"]
    others = {next(csv.reader([line]))[4]: line for line in undisturbed.decode().splitlines()}
    assert {file for file in others if others[file] != rows[file]} == {"day0/IM0000", "volume.nii.gz"}


def test_a_folder_that_fails_throughout_stops_the_run(model: Path, tmp_path: Path) -> None:
    box = mixed(tmp_path / "box", radiographs=2)
    broken = (box / "cut.dcm").read_bytes()
    for index in range(120):
        (box / f"b{index}.dcm").write_bytes(broken[: 1500 + index])
    out = tmp_path / "out"
    with pytest.raises(ScoringError, match=r"stopped: \d+ of \d+ files failed.*--max-failed.*The first: "):
        score(model, box, out)
    assert "truncated" in (out / TABLE).read_text()
    assert score(model, box, out, max_failed=1.0).is_file()


def test_a_full_disk_is_said_and_the_ledger_stays_whole(
    model: Path, box: Path, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Ledger.write

    def full(ledger, entries):  # type: ignore[no-untyped-def]
        pages = ledger.database.execute("PRAGMA page_count").fetchone()[0]
        ledger.database.execute(f"PRAGMA max_page_count = {pages}")
        for study_id, entry in entries:
            write(ledger, [(study_id, entry)])
            entry.facts["padding"] = "x" * 100_000
            write(ledger, [(study_id, entry)])

    monkeypatch.setattr(Ledger, "write", full)
    with pytest.raises(LedgerError, match=r"ledger.sqlite cannot be written: database or disk is full"):
        score(model, box, tmp_path)
    monkeypatch.setattr(Ledger, "write", write)
    assert score(model, box, tmp_path).read_bytes() == undisturbed


def test_an_output_folder_that_vanishes_is_said(
    model: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, out = Ledger.write, tmp_path / "out"

    def gone(ledger, entries):  # type: ignore[no-untyped-def]
        shutil.rmtree(out, ignore_errors=True)
        write(ledger, entries)

    monkeypatch.setattr(Ledger, "write", gone)
    with pytest.raises(LedgerError, match="is gone"):
        score(model, box, out, heatmaps="none")
