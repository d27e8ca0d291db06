"""Masks, patients and attributes of a prepared folder, and folders of benchmarks without an unlabeled pool."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.making import write_med_ad
from PIL import Image

from medad.csv_tables import TableError
from medad.datasets.base import About, DatasetError
from medad.datasets.layouts import MedADLayout
from medad.datasets.prepared import PreparedCase, mask_of, read_cases, write_cases
from medad.registry import datasets
from medad.splits import Pools, compose

ABOUT = About("X", "a citation", "a license", "a place", "a raw layout", "a prepared layout", "MR", "mr")
LAYOUT = MedADLayout(ABOUT, "X", 2)
COUNTS = (("train normal", 3), ("test normal", 2), ("test abnormal", 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_med_ad(tmp_path, "X", (3, 2, 2, 2, 2))


def pools(folder: Path, layout: MedADLayout = LAYOUT) -> Pools:
    return layout.pools(folder.parent, folder.parent)


def drop_unlabeled(folder: Path) -> None:
    content = json.loads((folder / "data.json").read_text())
    del content["train"]["unlabeled"]
    (folder / "data.json").write_text(json.dumps(content))


def write_mask(folder: Path, name: str) -> Path:
    path = mask_of(folder, name)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(path)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    cases = [
        PreparedCase("a.png", "0f3a", 0),
        PreparedCase("b, or not.png", None, 1, "boxes", (("class", "=Not Normal"), ("scanner", "A"))),
        PreparedCase("c.png", None, 1, "pixels", (("scanner", "B"),)),
    ]
    write_cases(tmp_path, cases)
    assert read_cases(tmp_path) == {case.name: case for case in cases}
    assert not list(tmp_path.glob("*.part"))


def test_studies_carry_what_the_table_knows(folder: Path) -> None:
    patients = {name: f"p{index // 2}" for index, name in enumerate(("0000.png", "0001.png", "1000.png", "2000.png"))}
    known = [PreparedCase(name, patient, int(name[0] == "2")) for name, patient in patients.items()]
    boxed = PreparedCase("4000.png", "q", 1, "boxes", (("scanner", "A"),))
    write_cases(folder, [*known, boxed, PreparedCase("4001.png", None, 1)])
    mask = write_mask(folder, "4000.png")
    write_mask(folder, "4001.png")  # the table says that this image has none
    found = pools(folder)
    first, second = found.test_abnormal
    assert (first.patient, first.mask, first.mask_kind, first.attributes) == ("q", mask, "boxes", (("scanner", "A"),))
    assert (second.patient, second.mask, second.attributes) == (None, None, ())
    assert [study.patient for study in found.normal] == ["p0", "p0", None]
    training = compose(found, 0.5).training
    assert {(study.label, study.mask, study.attributes) for study in (*training.normal, *training.unlabeled)} == {
        (None, None, ())
    }


def test_without_a_table_a_mask_that_is_there_marks_pixels(folder: Path) -> None:
    mask = write_mask(folder, "4001.png")
    assert [(study.mask, study.mask_kind) for study in pools(folder).test_abnormal] == [
        (None, "pixels"),
        (mask, "pixels"),
    ]


def test_one_patient_on_two_sides_is_refused(folder: Path) -> None:
    write_cases(folder, [PreparedCase("1001.png", "same", 0), PreparedCase("4000.png", "same", 1)])
    with pytest.raises(
        DatasetError, match=r"1 test images .* first '4000\.png', of the patient of '1001\.png'"
    ) as raised:
        pools(folder)
    assert "same" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        ("name,label\na.png,0\n", DatasetError, "no column patient, mask_kind"),
        ("name,patient,label,mask_kind\na.png,,2,\n", DatasetError, "row 2: label '2' must be 0 or 1"),
        ("name,patient,label,mask_kind\na.png,,1,circles\n", DatasetError, "row 2: mask_kind 'circles'"),
        ("name,patient,label,mask_kind\na.png,,1,\na.png,,1,\n", DatasetError, r"row 3: 'a\.png' is there twice"),
        ("name,patient,label,mask_kind\na.png,1\n", TableError, "row 2 has 2 cells"),
        ("name,patient,label,mask_kind\n4000.png,,1,pixels\n", DatasetError, r"masks/4000\.png is missing"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(folder: Path, content: str, error: type[Exception], said: str) -> None:
    (folder / "cases.csv").write_text(content)
    with pytest.raises(error, match=said):
        pools(folder)


def test_the_unlabeled_pool_may_be_missing_where_none_was_published(folder: Path) -> None:
    drop_unlabeled(folder)
    with pytest.raises(DatasetError, match=r'no "train\.unlabeled"'):
        pools(folder)
    found = pools(folder, replace(LAYOUT, unlabeled=None))
    assert [len(part) for part in (found.normal, found.unlabeled_normal, found.unlabeled_abnormal)] == [3, 0, 0]
    assert not compose(found, 0.6).training.unlabeled
    assert len(compose(found, 0.6).test) == 4


def test_counts_stand_in_where_no_digests_are_known(folder: Path) -> None:
    drop_unlabeled(folder)
    layout = replace(LAYOUT, unlabeled=None, about=replace(ABOUT, counts=COUNTS))
    assert pools(folder, layout).kind == "counts as published"
    content = json.loads((folder / "data.json").read_text())
    content["test"]["1"].pop()
    (folder / "data.json").write_text(json.dumps(content))
    assert pools(folder, layout).kind == "custom split"


def test_brats_2021_needs_the_masks_of_its_abnormal_test_images(folder: Path) -> None:
    drop_unlabeled(folder)
    folder.rename(folder.parent / "BraTS2021")
    root = folder.parent
    write_mask(root / "BraTS2021", "4001.png")
    with pytest.raises(DatasetError, match=r"1 of 2 abnormal test images have no mask there, first '4000\.png'"):
        datasets.get("brats2021").pools(root, root)
    write_mask(root / "BraTS2021", "4000.png")
    assert all(study.mask for study in datasets.get("brats2021").pools(root, root).test_abnormal)
