"""Series and copies as batch scoring sees them: the same studies as `medad inspect`, and no file without a row."""

from __future__ import annotations

import sqlite3
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import score

from medad.io import discover
from medad.types import Study

RNG = np.random.default_rng(5)
SERIES = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.9"}


def rows(table: Path) -> pd.DataFrame:
    return pd.read_csv(table, keep_default_na=False, dtype={"file": str}).set_index("file")


def slices(box: Path, places: int, **tags: object) -> list[Path]:
    start = len(list(box.iterdir())) if box.exists() else 0
    return [
        write_dicom(box / f"{start + z:02}", gray_image(RNG), **{**SERIES, "ImagePositionPatient": [0, 0, z], **tags})
        for z in range(places)
    ]


def exported_again(path: Path, target: Path, pixels: bytes | None = None) -> None:
    image = pydicom.dcmread(path)
    image.PatientName, image.ContentTime = "Other^Person", "121212"
    image.PixelData = pixels or image.PixelData
    target.parent.mkdir(exist_ok=True)
    image.save_as(target)


def test_one_uid_on_all_slices_is_one_volume_with_a_note(model: Path, tmp_path: Path) -> None:
    slices(tmp_path / "box", 6, SOPInstanceUID="1.2.3.4")
    table = rows(score(model, tmp_path / "box", tmp_path / "out"))
    assert table[["status", "files", "slices"]].to_numpy().tolist() == [["scored", 6, 6]]
    assert table["reason"].iloc[0].startswith("6 of its 6 files bear a SOP Instance UID")


def test_echoes_of_magnitude_and_phase_are_four_rows_that_name_the_elements(model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    for echo, part in product((5, 9), "MP"):
        slices(box, 3, EchoTime=echo, ImageType=["ORIGINAL", "PRIMARY", part])
    table = rows(score(model, box, tmp_path / "out"))
    assert table[["status", "files"]].to_numpy().tolist() == [["scored", 3]] * 4
    assert set(table["reason"]) == {"one of 4 volumes in its series, split by ImageType, EchoTime"}
    assert sorted(table.index) == sorted(study.id for study in discover(box) if isinstance(study, Study))


@pytest.mark.parametrize("name", ["AcquisitionTime", "TriggerTime"])
def test_times_tell_apart_as_in_discovery_and_no_time_of_day_is_in_the_ledger(
    model: Path, tmp_path: Path, name: str
) -> None:
    for z, phase in product(range(3), range(4)):
        time = f"{104500 + 10 * phase + z}.125" if name == "AcquisitionTime" else 100.5 * phase + z
        tags = {**SERIES, "ImagePositionPatient": [0, 0, z], name: time}
        write_dicom(tmp_path / "box" / f"{z}{phase}", gray_image(RNG), **tags)
    table = rows(score(model, tmp_path / "box", tmp_path / "out"))
    assert table["files"].tolist() == [3] * 4
    assert table["reason"].str.endswith(f"split by {name} (its order at each place)").all()
    (ledger,) = (tmp_path / "out").rglob("*.sqlite")
    with sqlite3.connect(ledger) as database:
        text = repr(database.execute("SELECT * FROM files").fetchall())
    assert "1045" not in text
    assert str(10 * 3600 + 45 * 60) not in text


def test_copies_are_named_and_what_is_no_copy_is_a_row(model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    files = slices(box, 4)
    exported_again(files[1], box / "z" / "again")
    exported_again(files[2], box / "z" / "other", bytes(2 * 40 * 40))
    table = rows(score(model, box, tmp_path / "out"))
    assert table.loc["00", ["status", "files"]].tolist() == ["scored", 4]
    assert table.loc["z/again", "status"] == "skipped"
    assert table.loc["z/again", "reason"].endswith("of the same series, 01")
    assert table.loc["z/other", "status"] == "failed"
    assert "bears the SOP Instance UID of 02" in table.loc["z/other", "reason"]
    assert table["files"].sum() == 6


def test_radiographs_that_share_a_uid_are_copies_only_if_they_show_the_same(model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    first = write_dicom(box / "a", gray_image(RNG), Modality="DX", SOPInstanceUID="1.2.3.4")
    write_dicom(box / "b", gray_image(RNG), Modality="DX", SOPInstanceUID="1.2.3.4", SeriesInstanceUID="1.5")
    exported_again(first, box / "c")
    exported_again(first, box / "d" / "e", bytes(2 * 40 * 40))
    table = rows(score(model, box, tmp_path / "out"))
    assert table["status"].to_dict() == {"a": "scored", "b": "scored", "c": "skipped", "d/e": "scored"}
    assert table.loc["c", "reason"] == "it holds the same image as a"


def test_what_arrives_later_ends_in_the_table_of_a_fresh_run(model: Path, tmp_path: Path) -> None:
    box = tmp_path / "box"
    files = slices(box / "b", 3)
    radiograph = write_dicom(box / "c", gray_image(RNG), Modality="DX")
    for name in ("d", "e"):
        write_dicom(box / name, gray_image(RNG), Modality="DX", SOPInstanceUID="1.2.3.4")
    score(model, box, tmp_path / "out")
    exported_again(files[1], box / "a" / "copy")
    exported_again(files[0], box / "z" / "other", bytes(2 * 40 * 40))
    exported_again(radiograph, box / "z" / "no copy", bytes(2 * 40 * 40))
    slices(box / "second", 3, EchoTime=80)
    again = score(model, box, tmp_path / "out").read_bytes()
    assert again == score(model, box, tmp_path / "fresh").read_bytes()
    assert len(again.splitlines()) == 1 + 2 + 1 + 1 + 2 + 1 + 1
