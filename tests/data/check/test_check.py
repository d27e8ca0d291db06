"""`medad data check`: what it finds, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from helpers.making import gray_image, write_dicom, write_med_ad
from PIL import Image

from medad.data.check.check import Checked, check
from medad.data.check.targets import CheckError, subjects
from medad.datasets.prepared import PreparedCase, write_cases
from medad.registry import datasets
from medad.types import MedadError


def checked(root: Path, workers: int = 1) -> Checked:
    (subject,) = subjects(root)
    return check(subject, workers)


@pytest.fixture
def brain(tmp_path: Path) -> Path:
    return write_med_ad(tmp_path / "data")


@pytest.fixture
def ward(tmp_path: Path) -> Callable[[str], Path]:
    """``ward(rows)`` writes a manifest over eight different images 0.png to 7.png; and a volume."""
    rng = np.random.default_rng(2)
    for index in range(8):
        Image.fromarray(gray_image(rng, side=20)).save(tmp_path / f"{index}.png")
    nib.save(nib.Nifti1Image(rng.random((6, 5, 4)).astype(np.float32), np.eye(4)), tmp_path / "volume.nii.gz")

    def write(rows: str, head: str = "file,role,label,patient") -> Path:
        (tmp_path / "ward.csv").write_text(f"{head}\n{rows}\n")
        return tmp_path / "ward.csv"

    return write


GOOD = "0.png,normal,,A\n1.png,normal,,B\n2.png,unlabeled,,C\n3.png,test,0,D\n4.png,test,1,E"


def test_a_manifest_without_defects(ward: Callable[..., Path]) -> None:
    found = checked(ward(GOOD), workers=2)
    assert (found.defects, found.notes) == ([], [])
    assert found.counts == {"normal": 2, "unlabeled": 1, "test normal": 1, "test abnormal": 1}
    assert (found.name, found.kind) == ("ward", "manifest")


def test_every_file_is_decoded_and_every_defect_told(ward: Callable[..., Path], tmp_path: Path) -> None:
    path = ward(GOOD.replace("2.png", "gone.png") + "\n5.png,test,1,A\n6.png,test,,F")
    for name in ("1.png", "4.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-60])
    found = checked(path)
    text = "\n".join(found.defects)
    assert "1 of 7 files are not there, first gone.png (row 4)" in text
    assert "1 of the patient values are in both" in text
    assert "row 8, column 'label': is empty" in text
    assert [line for line in found.defects if line.startswith("cannot read")] == [
        line for name in ("1.png", "4.png") for line in found.defects if line.startswith(f"cannot read {name}: ")
    ]
    assert len(found.defects) == 5


def test_the_same_pixels_on_two_sides(ward: Callable[..., Path], tmp_path: Path) -> None:
    """As another file, and in another format; a blank image is nobody's copy."""
    (tmp_path / "3.png").write_bytes((tmp_path / "0.png").read_bytes())
    Image.open(tmp_path / "1.png").save(tmp_path / "5.bmp")
    for name in ("6.png", "7.png"):
        Image.new("L", (20, 20)).save(tmp_path / name)
    found = checked(ward(GOOD + "\n5.bmp,normal,,F\n6.png,normal,,G\n7.png,test,0,H"))
    assert found.defects == [
        "1 image is in training and in test, pixel for pixel: 0.png (normal) = 3.png (test normal)"
    ]
    assert found.notes == ["1 image is there more than once, on one side: 1.png (normal) = 5.bmp (normal)"]


def test_one_image_with_two_labels(ward: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "3.png").write_bytes((tmp_path / "4.png").read_bytes())
    found = checked(ward(GOOD))
    assert found.defects == ["1 image is listed as normal and as abnormal: 3.png (test normal) = 4.png (test abnormal)"]


def test_patients_that_nobody_knows_are_said(ward: Callable[..., Path]) -> None:
    found = checked(ward("0.png,normal\n1.png,normal", "file,role"))
    assert found.defects == []
    assert found.notes == ["2 of 2 rows name no patient: a patient on both sides cannot be detected"]


def test_slices_and_masks(ward: Callable[..., Path], tmp_path: Path) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "fits.png")
    Image.new("L", (10, 20)).save(tmp_path / "small.png")
    rows = "volume.nii.gz#z1,normal,,A,\nvolume.nii.gz#z4,normal,,A,\n3.png,test,1,D,fits.png"
    head = "file,role,label,patient,mask"
    assert checked(ward(rows, head)).defects == []
    assert "slice 5 of it is listed and it has 4" in checked(ward(rows.replace("#z4", "#z5"), head)).defects[0]
    small = checked(ward(rows.replace("fits.png", "small.png"), head)).defects
    (defect,) = small
    assert defect.startswith("mask small.png has 10 x 20 pixels and its image 20 x 20; ")
    (tmp_path / "fits.png").write_bytes(b"no picture")
    assert checked(ward(rows, head)).defects[0].startswith("mask: cannot read fits.png")


def test_the_official_split_is_told_from_a_custom_one(brain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from medad.splits import name_digest

    known = datasets.get("braintumor")
    names = known.names(brain / "data.json")
    sizes = tuple((title, len(one)) for title, one in names.items())
    same = replace(
        known, about=replace(known.about, counts=sizes), digests=tuple(name_digest(one) for one in names.values())
    )
    monkeypatch.setitem(datasets._things, "braintumor", same)
    found = checked(brain)
    assert (found.kind, found.defects) == ("official", [])
    (brain / "images" / "3000.png").rename(brain / "images" / "renamed.png")
    text = (brain / "data.json").read_text()
    (brain / "data.json").write_text(text.replace("3000.png", "renamed.png"))
    found = checked(brain)
    assert (found.kind, found.defects) == ("custom split", [])
    assert found.notes[0] == "test normal: 6 images as published, but other names or another order"
    (brain / "data.json").write_text(text.replace('"3000.png", ', ""))
    assert checked(brain).notes[0] == "test normal: 5 images, published 6"


def test_defects_of_a_prepared_folder(brain: Path) -> None:
    cases = [PreparedCase("0000.png", "p1", 0), PreparedCase("3000.png", "p1", 0)]
    write_cases(brain, cases)
    assert any("patient" in line for line in checked(brain).defects)
    write_cases(brain, [PreparedCase("0000.png", "p1", 0), PreparedCase("3000.png", "p2", 0)])
    assert checked(brain).defects == []
    (brain / "images" / "2001.png").unlink()
    (brain / "images" / "1001.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found = checked(brain)
    assert len(found.defects) == 2
    assert "1 of 31 listed files are missing, first '2001.png'" in found.defects[0]
    assert found.defects[1].startswith("cannot read 1001.png")
    text = (brain / "data.json").read_text()
    (brain / "data.json").write_text(text.replace("4000.png", "0000.png"))
    assert "is in 'train normal' and in 'test abnormal'" in checked(brain).defects[0]


def test_a_data_root_is_checked_set_by_set_and_a_broken_one_does_not_hide_the_others(tmp_path: Path) -> None:
    write_med_ad(tmp_path, "LAG")
    broken = write_med_ad(tmp_path, "BrainTumor")
    (broken / "data.json").write_text("{")
    write_med_ad(tmp_path, "Ours")
    found = {subject.name: subject for subject in subjects(tmp_path)}
    assert found.keys() == {"LAG", "Brain Tumor MRI"}
    assert found["Brain Tumor MRI"].kind == "broken"
    assert check(found["LAG"], 1).kind == "custom split"
    ours = checked(tmp_path / "Ours")
    assert (ours.name, ours.kind, ours.defects) == ("Ours", "custom split", [])


def test_where_there_is_nothing_to_check(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "gone", "no such file"), (tmp_path, "none of the folders")):
        with pytest.raises(CheckError, match=said):
            list(subjects(path))
    (tmp_path / "manifest.csv").write_text("file,role\n")
    with pytest.raises(MedadError, match="no rows"):
        list(subjects(tmp_path))


def test_no_patient_is_told(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", gray_image(np.random.default_rng(0)))
    (tmp_path / "b.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:600])
    (tmp_path / "m.csv").write_text("file,role,label,patient\na.dcm,normal,,SECRET-4711\nb.dcm,test,1,SECRET-4711\n")
    found = checked(tmp_path / "m.csv")
    assert len(found.defects) == 2
    assert "SECRET" not in json.dumps([found.defects, found.notes])
