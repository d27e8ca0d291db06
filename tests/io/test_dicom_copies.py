"""A SOP Instance UID alone makes no copy: content decides, and every file is in a study or in a row of its own."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from medad.io import ReadSettings, UnreadableImage, discover, read_picture
from medad.io.inspection import inspected
from medad.types import Skipped, Study


def rewritten(path, target, **tags):
    """Export a file again: ``tags`` are set, None removes."""
    image = pydicom.dcmread(path)
    for name, value in tags.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    target.parent.mkdir(exist_ok=True)
    image.save_as(target)
    return target


def sorted_out(folder):
    """(sizes of the studies, the names of skipped files, the names of refused ones); no file is missing."""
    found = list(discover(folder))
    studies = [one for one in found if isinstance(one, Study)]
    skipped = [one.path.name for one in found if isinstance(one, Skipped)]
    refused = [one.path.name for one in found if isinstance(one, UnreadableImage)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(len(study.files) for study in studies) + len(skipped) + len(refused) == len(files)
    return [len(study.files) for study in studies], skipped, refused


def test_one_uid_on_all_slices_is_a_volume_with_a_note(series, tmp_path):
    series("a", np.arange(320, dtype=np.int16).reshape(20, 4, 4), SOPInstanceUID="1.2.3.9")
    (row,) = inspected(tmp_path, ReadSettings())
    assert (row.status, row.files, row.shape) == ("read", 20, (1, 4, 4, 20))
    assert any("20 of its 20 files bear a SOP Instance UID" in note for note in row.reading["assumed"])


def test_slices_of_equal_pixels_at_other_places_are_no_copies(series, tmp_path):
    series("a", np.zeros((5, 4, 4), np.int16), SOPInstanceUID="1.2.3.9")
    assert sorted_out(tmp_path) == ([5], [], [])


def test_one_uid_on_two_echoes_is_two_volumes(series, volume, tmp_path):
    series("a", volume, SOPInstanceUID="1.2.3.9", EchoTime=5)
    series("b", np.zeros_like(volume), SOPInstanceUID="1.2.3.9", EchoTime=9)
    series("c", np.zeros_like(volume), SOPInstanceUID="1.2.3.9", EchoTime=12)
    assert sorted_out(tmp_path) == ([6, 6, 6], [], [])


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"PatientName": "Other^Name", "ContentTime": "120000", "InstanceNumber": 77},
        {"ImageType": ["DERIVED", "SECONDARY"], "SeriesDescription": "exported"},
        {"SliceThickness": None},
        {"ImagePositionPatient": [0.0001, 0, 0]},
    ],
    ids=["equal bytes", "another header", "derived", "fewer elements", "rounded"],
)
def test_equal_pixels_at_one_place_are_a_copy_which_names_its_original(series, volume, tmp_path, tags):
    files = series("a", volume)
    first = next(path for path in files if pydicom.dcmread(path).ImagePositionPatient[2] == 0)
    rewritten(first, tmp_path / "b" / "copy.dcm", **tags)
    (skipped,) = (one for one in discover(tmp_path) if isinstance(one, Skipped))
    assert skipped.kind == "duplicate"
    assert skipped.reason.endswith(f"of the same series, a/{first.name}")
    assert sorted_out(tmp_path) == ([6], ["copy.dcm"], [])


def test_a_copy_in_another_transfer_syntax_is_a_copy(series, volume, tmp_path):
    files = series("a", volume)
    image = pydicom.dcmread(files[2])
    image.compress(JPEGLSLossless, generate_instance_uid=False)
    image.save_as(tmp_path / "a" / "z.dcm")
    assert sorted_out(tmp_path) == ([6], ["z.dcm"], [])


def test_other_pixels_at_one_place_under_one_uid_are_a_row_that_says_so(series, volume, tmp_path):
    files = series("a", volume)
    image = pydicom.dcmread(files[3])
    image.PixelData = bytes(len(image.PixelData))
    image.save_as(tmp_path / "a" / "z.dcm")
    assert sorted_out(tmp_path) == ([6], [], ["z.dcm"])
    rows = {row.what: row for row in inspected(tmp_path, ReadSettings())}
    assert rows["dicom"].files == 6
    assert f"bears the SOP Instance UID of a/{files[3].name}" in rows["same-uid"].reason


def test_of_a_broken_and_a_good_file_the_good_one_counts(series, volume, tmp_path):
    files = series("b", volume)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.dcm").write_bytes(files[2].read_bytes()[:-10])
    assert sorted_out(tmp_path) == ([6], [], ["0.dcm"])
    (study,) = (one for one in discover(tmp_path) if isinstance(one, Study))
    assert read_picture(study.files, ReadSettings()).array.shape[-1] == 6
    (bad,) = (one for one in discover(tmp_path) if isinstance(one, UnreadableImage))
    assert "truncated" in bad.reason
    assert f"b/{files[2].name} is the same instance" in bad.remedy


def test_pixels_are_read_only_where_uid_and_place_are_equal(series, volume, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("medad.io.dicom.copies.content_of", lambda path: read.append(path.name) or "pixels")
    series("a", volume)
    series("b", volume, SeriesInstanceUID="1.2.9", SOPInstanceUID="1.2.3.9")
    list(discover(tmp_path))
    assert read == []
    shutil.copy(tmp_path / "a" / "002.dcm", tmp_path / "z.dcm")
    list(discover(tmp_path))
    assert sorted(read) == ["002.dcm", "z.dcm"]


def test_a_thousand_copies_of_a_slice_are_compared_in_a_moment(series, volume, tmp_path, monkeypatch):
    monkeypatch.setattr("medad.io.dicom.copies.content_of", lambda path: "pixels")
    first = series("a", volume[:2])[0]
    for index in range(1000):
        shutil.copy(first, tmp_path / "a" / f"copy{index}.dcm")
    sizes, skipped, refused = sorted_out(tmp_path)
    assert (sizes, len(skipped), refused) == ([2], 1000, [])
