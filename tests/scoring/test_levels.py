"""What each row stands for in DICOM, and that a hospital can join it on the UIDs of study, series and instance."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import score
from PIL import Image

RNG = np.random.default_rng(7)
UIDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
STUDY = {"StudyInstanceUID": "1.2.7", "FrameOfReferenceUID": "1.2.8"}


def table_of(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, dtype=str).set_index("file", drop=False)


def key(uid: str) -> str:
    """The pseudonym, written down once more."""
    return hashlib.sha256(f"medad study {uid}".encode()).hexdigest()[:16]


def slices(box: Path, name: str, series: str, count: int, **tags: object) -> None:
    for place in range(count):
        position = {"ImagePositionPatient": [0, 0, place], "SeriesInstanceUID": series}
        write_dicom(box / f"{name}{place}", gray_image(RNG), **{**STUDY, **position, **tags})


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two series and a radiograph, two slices of series of their own, and files that are no DICOM."""
    folder = tmp_path_factory.mktemp("levels")
    slices(folder, "whole", "1.2.7.1", 3)
    for echo in (5, 9):
        slices(folder, f"echo{echo}_", "1.2.7.2", 3, EchoTime=echo)
    write_dicom(folder / "chest", gray_image(RNG), Modality="DX", **STUDY)
    write_dicom(folder / "single", gray_image(RNG))
    volume = np.stack([gray_image(RNG) for _ in range(3)], axis=-1).astype(np.int16)
    nib.save(nib.Nifti1Image(np.stack([volume, volume + 9], axis=-1), np.eye(4)), folder / "times.nii")
    pages = [Image.fromarray(gray_image(RNG)) for _ in range(2)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    pages[0].save(folder / "a.png")
    (folder / "note.txt").write_text("hello")
    return folder


def test_each_row_names_its_level_and_joins_on_the_uids(model: Path, box: Path, tmp_path: Path) -> None:
    keys, uids = (table_of(score(model, box, tmp_path / str(asked), split=True, uids=asked)) for asked in (False, True))
    assert uids["level"].to_dict() == {
        "whole0": "series",
        "echo5_0": "stack",
        "echo9_0": "stack",
        "chest": "instance",
        "single": "instance",
        "times.nii": "volume",
        "times.nii#2": "volume",
        "pages.tif": "page",
        "pages.tif#2": "page",
        "a.png": "file",
        "note.txt": "file",
    }
    assert not {*UIDS} & {*keys.columns}
    pd.testing.assert_frame_equal(uids.drop(columns=UIDS), keys)
    assert len(set(keys["case"])) == len(keys), "each case has a key of its own"
    for name, row in uids.iterrows():
        if row["level"] not in ("series", "stack", "instance"):
            assert [*row[UIDS], row["study_key"], row["series_key"]] == [""] * 5, name
            assert row["case"] == key(str(name))
            continue
        header = pydicom.dcmread(box / str(name), stop_before_pixels=True)
        instance = "" if row["level"] == "series" else header.SOPInstanceUID
        assert row[UIDS].tolist() == [header.StudyInstanceUID, header.SeriesInstanceUID, instance], name
        assert row["study_key"] == key(header.StudyInstanceUID)
        assert row["series_key"] == key(header.SeriesInstanceUID)
        assert row["case"] == key(instance or header.SeriesInstanceUID)
    orders = pd.DataFrame({"StudyInstanceUID": ["1.2.7"], "order": ["X1"]})
    assert len(orders.merge(uids, on="StudyInstanceUID")) == 4, "the join of a hospital on the study"


def test_without_split_a_file_is_a_file(model: Path, box: Path, tmp_path: Path) -> None:
    table = table_of(score(model, box / "times.nii", tmp_path / "out"))
    assert table["level"].to_dict() == {"times.nii": "file"}


def test_a_series_that_gets_a_second_stack_is_one_of_two_as_in_a_new_run(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    slices(folder, "first", "1.2.7.3", 3, EchoTime=5)
    before = table_of(score(model, folder, tmp_path / "out", uids=True))
    assert before["level"].tolist() == ["series"]
    slices(folder, "second", "1.2.7.3", 3, EchoTime=9)
    after = score(model, folder, tmp_path / "out", uids=True)
    assert table_of(after)["level"].tolist() == ["stack", "stack"]
    assert after.read_bytes() == score(model, folder, tmp_path / "new", uids=True).read_bytes()
