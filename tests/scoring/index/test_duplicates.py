"""Copies of one image: which are read, what the others say, and that thousands of them cost no more than each once."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from helpers.making import gray_image, write_dicom
from helpers.runs import TABLE, score, stop_after_a_row
from PIL import Image

import medad.progress
from medad.scoring import ScoringError
from medad.scoring.core.entries import Entry
from medad.scoring.index.duplicates import enter_copies
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index
from medad.scoring.run import TRIED

UID, CONTENT = "a" * 32, "content " + "a" * 32
COPIES = 6


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The studies that were read, in order."""
    names: list[str] = []
    write = Ledger.write

    def noted(ledger, entries):  # type: ignore[no-untyped-def]
        names.extend(study_id for study_id, _ in entries)
        write(ledger, entries)

    monkeypatch.setattr(Ledger, "write", noted)
    return names


def broken(box: Path) -> Path:
    """A picture that cannot be read, and copies of it."""
    box.mkdir()
    Image.fromarray(gray_image(np.random.default_rng(0))).save(box / "0.png")
    (box / "0.png").write_bytes((box / "0.png").read_bytes()[:300])
    for index in range(1, COPIES):
        shutil.copy(box / "0.png", box / f"{index}.png")
    return box


def test_copies_of_a_broken_file_fail_as_it_did_and_are_not_read(
    model: Path, tmp_path: Path, written: list[str]
) -> None:
    table = score(model, broken(tmp_path / "box"), tmp_path / "out").read_text().splitlines()
    rows = [line.split(",") for line in table]
    at = rows[0].index("reason")
    assert written == ["0.png"]
    assert [row[rows[0].index("status")] for row in rows[1:]] == ["failed"] * COPIES
    assert len({row[at] for row in rows[1:]}) == 1


def test_a_run_that_was_stopped_before_its_copies_ends_the_same(
    model: Path, tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = broken(tmp_path / "box")
    whole = score(model, box, tmp_path / "whole").read_bytes()
    with monkeypatch.context() as patch:
        stop_after_a_row(patch)
        with pytest.raises(KeyboardInterrupt):
            score(model, box, tmp_path / "out")
    assert len((tmp_path / "out" / TABLE).read_text().splitlines()) == 2
    assert score(model, box, tmp_path / "out").read_bytes() == whole
    assert written == ["0.png"] * 2, "once for each output folder"


def test_copies_that_fail_unread_count_as_failures(model: Path, tmp_path: Path) -> None:
    box = broken(tmp_path / "box")
    for index in range(COPIES, TRIED):
        shutil.copy(box / "0.png", box / f"{index}.png")
    for _ in range(2):
        with pytest.raises(ScoringError, match=f"stopped: {TRIED} of {TRIED} files failed"):
            score(model, box, tmp_path / "out")
    assert score(model, box, tmp_path / "out", max_failed=1.0).read_text().count(",failed,") == TRIED


def test_of_files_that_bear_one_uid_each_is_tried(model: Path, tmp_path: Path, written: list[str]) -> None:
    box = tmp_path / "box"
    whole = write_dicom(box / "9", gray_image(np.random.default_rng(0)), Modality="DX").read_bytes()
    for index in range(3):
        (box / f"{index}").write_bytes(whole[: -900 - index])
    table = score(model, box, tmp_path / "out", max_failed=1.0).read_text()
    assert sorted(written) == ["0", "1", "2", "9"]
    assert (table.count(",failed,"), table.count(",scored,")) == (3, 1)


@pytest.mark.parametrize("end", ["hdr", "nhdr", "mhd"])
def test_equal_headers_with_different_pixels_are_two_images(model: Path, tmp_path: Path, end: str) -> None:
    rng = np.random.default_rng(0)
    for patient in ("p1", "p2"):
        folder = tmp_path / "box" / patient
        folder.mkdir(parents=True)
        volume = np.stack([gray_image(rng) for _ in range(3)], axis=-1)
        if end == "hdr":
            nib.save(nib.Nifti1Pair(volume, np.eye(4)), folder / "scan.hdr")
        else:
            sitk.WriteImage(sitk.GetImageFromArray(volume.transpose(2, 1, 0)), str(folder / f"scan.{end}"))
    first, second = (tmp_path / "box" / patient / f"scan.{end}" for patient in ("p1", "p2"))
    assert first.read_bytes() == second.read_bytes()
    table = score(model, tmp_path / "box", tmp_path / "out").read_text()
    assert table.count(",scored,") == 2


@pytest.mark.parametrize("end", ["nii", "nrrd", "mha"])
def test_a_copy_of_header_and_pixels_in_one_file_is_a_copy(model: Path, tmp_path: Path, end: str) -> None:
    box = tmp_path / "box"
    box.mkdir()
    volume = np.stack([gray_image(np.random.default_rng(0))] * 3)
    sitk.WriteImage(sitk.GetImageFromArray(volume), str(box / f"a.{end}"))
    shutil.copy(box / f"a.{end}", box / f"b.{end}")
    table = score(model, box, tmp_path / "out").read_text()
    assert f"it holds the same image as a.{end}" in table


def steps(folder: Path, count: int, instance: str) -> tuple[int, int]:
    """Rounds of the database's machine for ``count`` copies that all fail, and how many of them were read."""
    ledger = Ledger(folder / f"{count}" / "ledger.sqlite", {})
    with ledger.writing() as database:
        database.executemany(
            "INSERT INTO cases (id, stamp, files, instance) VALUES (?1, '1', ?1, ?2)",
            [(b"%06d" % index, instance) for index in range(count)],
        )
    taken, index = 0, Index(ledger, folder)

    def step() -> None:
        nonlocal taken
        taken += 1

    ledger.database.set_progress_handler(step, 100)
    studies, read = index.to_do(), 0
    while found := list(studies):
        ledger.write([(study.id, Entry("failed", "it is broken (corrupt)")) for study in found])
        read += len(found)
        enter_copies(ledger)
        studies = index.next_copies()
    assert ledger.counts() == {"failed": count}
    ledger.close()
    return taken, read


@pytest.mark.parametrize(("instance", "reads"), [(UID, 800), (CONTENT, 1)], ids=["UID", "bytes"])
def test_four_times_the_copies_cost_about_four_times_as_much(tmp_path: Path, instance: str, reads: int) -> None:
    few, _ = steps(tmp_path, 200, instance)
    many, read = steps(tmp_path, 800, instance)
    assert read == reads
    assert many < 6 * few


def test_progress_ends_at_its_total_where_there_are_copies(
    model: Path, box: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medad.progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level("INFO", logger="medad.progress")
    score(model, box, tmp_path)
    *_, last = (one for one in caplog.messages if 'task="score"' in one)
    done, total = (part.split("=")[1] for part in last.split()[2:4])
    assert done == total
