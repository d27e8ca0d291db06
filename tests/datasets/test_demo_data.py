"""The demo data: deterministic, resumable, valid files, and no label but in demo.json and the masks."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medad.datasets.demo import anatomy, files, formats
from medad.datasets.demo.anatomy import Subject, Template, draw_subject, load_template, slice_positions
from medad.datasets.demo.files import DemoCounts, write_demo
from medad.datasets.demo.scan import GAIN, Scan, digitize
from medad.types import MedadError

COUNTS = DemoCounts(normal=4, unlabeled_normal=2, unlabeled_abnormal=3, test_normal=2, test_abnormal=3)
SIZE = 64


def write(root: Path, *, seed: int = 7, counts: DemoCounts = COUNTS, **options: Any) -> Path:
    write_demo(root, seed=seed, counts=counts, image_size=SIZE, **options)
    return root


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def studies(root: Path) -> list[dict[str, Any]]:
    return json.loads((root / "demo.json").read_text(encoding="utf-8"))["studies"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("demo") / "data")


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template()


def subject(template: Template, number: int, *, abnormal: bool) -> Subject:
    return draw_subject(template, np.random.default_rng([3, number]), abnormal=abnormal, size=SIZE)


def scan(template: Template, number: int) -> Scan:
    return digitize(subject(template, number, abnormal=True), np.random.default_rng(number))


def test_the_record_lists_every_file_and_nothing_else_is_written(demo: Path) -> None:
    record = json.loads((demo / "demo.json").read_text(encoding="utf-8"))
    listed = {file for study in record["studies"] for file in [*study["files"], study["mask"]] if file}
    assert set(tree(demo)) == listed | {"demo.json", "LICENSE-MNI152.txt"}
    assert record["counts"] == dataclasses.asdict(COUNTS)
    held = [(study["role"], study["label"]) for study in record["studies"]]
    expected = {("normal", 0): 4, ("unlabeled", 0): 2, ("unlabeled", 1): 3, ("test", 0): 2, ("test", 1): 3}
    assert {kind: held.count(kind) for kind in held} == expected
    assert all((study["mask"] is None) == (study["lesion"] is None) == (study["label"] == 0) for study in studies(demo))
    assert "Copyright (C) 1993-2009 Louis Collins" in record["license"]
    assert record["license"] == (demo / "LICENSE-MNI152.txt").read_text(encoding="utf-8")


def test_a_seed_gives_the_same_bytes_and_another_seed_other_images(demo: Path, tmp_path: Path) -> None:
    assert tree(write(tmp_path / "same")) == tree(demo)
    other = tree(write(tmp_path / "other", seed=8))
    assert not {content for name, content in other.items() if name.startswith("sub-")} & set(tree(demo).values())


@pytest.mark.parametrize("writes", [0, 1, 2, 17, 36])
def test_an_interrupted_write_ends_with_the_same_bytes(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    left, put = iter(range(writes)), Path.replace

    def fails(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return put(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fails)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "data")
    assert tree(write(tmp_path / "data")) == tree(demo)


def test_a_finished_root_is_left_alone_and_a_lost_file_comes_back(tmp_path: Path) -> None:
    root = write(tmp_path / "data")
    before, times = tree(root), {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    write(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == times
    (root / studies(root)[4]["files"][0]).unlink()
    assert tree(write(root)) == before


def test_other_settings_replace_our_data_and_nobody_elses(demo: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "data", seed=1, counts=DemoCounts(2, 0, 0, 1, 1))
    (root / "notes.txt").write_text("mine")
    held = tree(write(root))
    assert held.pop("notes.txt") == b"mine"
    assert held == tree(demo)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "sub-0001").write_text("mine")
    with pytest.raises(MedadError, match="no demo data of ours"):
        write(foreign)
    assert tree(foreign) == {"sub-0001": b"mine"}


def test_an_interrupted_replacement_is_finished_too(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, remove, left = write(tmp_path / "data", seed=1), shutil.rmtree, iter(range(3))

    def fails(path: Path, **options: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        remove(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", fails)
        with pytest.raises(KeyboardInterrupt):
            write(root)
    assert tree(write(root)) == tree(demo)


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write(tmp_path / "data", counts=DemoCounts(2, 0, 0, 0, 1), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_names_and_order_tell_no_label(demo: Path) -> None:
    assert [study["id"] for study in studies(demo)] == [f"sub-{number:04d}" for number in range(1, 15)]
    for study in studies(demo):
        assert study["patient"] == study["id"]
        name = rf"{study['id']}/(ST000001/SE000002/IM000001|anat/{study['id']}_T1w\.nii\.gz)"
        assert re.fullmatch(name, study["files"][0])
        content = (demo / study["files"][0]).read_bytes().lower()
        assert not any(word in content for word in (b"lesion", b"normal", b"unlabeled", b"train"))
    everyone = files._people(0, DemoCounts())
    labels, roles = [person.label for person in everyone], [person.role == "test" for person in everyone]
    for told in (labels, roles, [person.label for person in everyone if person.role == "test"]):
        assert abs(np.corrcoef(told, np.arange(len(told)))[0, 1]) < 0.15
        assert abs(np.corrcoef(told, np.arange(1, len(told) + 1) % 4 == 2)[0, 1]) < 0.15


def test_a_lesion_changes_the_image_under_its_mask_only(template: Template) -> None:
    for number in range(8):
        without, with_lesion = (subject(template, number, abnormal=abnormal) for abnormal in (False, True))
        lesion, mask = with_lesion.lesion, with_lesion.mask
        assert lesion is not None
        assert not without.mask.any()
        change = lesion.sign * (with_lesion.image - without.image)
        assert change[mask].min() > 0.2 * lesion.contrast
        assert change[mask].mean() > 0.5 * lesion.contrast
        x, y, _ = slice_positions(SIZE, with_lesion.level_mm)
        far = np.hypot(x - lesion.center_mm[0], y - lesion.center_mm[1]) > 2 * lesion.diameter_mm
        np.testing.assert_allclose(change[far], 0, atol=1e-4)
        area = mask.sum() * with_lesion.spacing_mm**2
        assert area < 1.5 * np.pi * (lesion.diameter_mm / 2) ** 2


def test_rows_run_from_front_to_back_and_columns_from_right_to_left() -> None:
    x, y, z = slice_positions(SIZE, 20.0)
    assert x[0, 0] > 0 > x[0, -1]  # RAS: positive x is the patient's right
    assert y[0, 0] > y[-1, 0]
    assert (z == 20).all()


def test_dicom_files_are_what_a_scanner_writes(demo: Path) -> None:
    seen = [study for study in studies(demo) if study["files"][0].endswith("IM000001")]
    assert len(seen) == 10
    datasets = [pydicom.dcmread(demo / study["files"][0]) for study in seen]
    for uid in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "PatientID"):
        assert len({dataset[uid].value for dataset in datasets}) == len(datasets)
    for study, dataset in zip(seen, datasets, strict=True):
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert dataset.SOPClassUID == pydicom.uid.MRImageStorage
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert dataset.PatientName == f"DEMO^SUBJECT^{study['id'][-4:]}"
        assert (dataset.Modality, dataset.BitsAllocated, dataset.BitsStored) == ("MR", 16, 12)
        assert dataset.pixel_array.shape == (SIZE, SIZE)
        assert dataset.pixel_array.max() <= 4095
        assert dataset.RescaleSlope != 1
        assert dataset.RescaleIntercept < 0
        if study["mask"] is not None:
            mask = np.asarray(Image.open(demo / study["mask"]))
            assert (mask.dtype, mask.shape) == (np.uint8, dataset.pixel_array.shape)
            assert set(np.unique(mask)) == {0, 255}


def test_rescale_gives_the_intensities_back(template: Template) -> None:
    measured, stored = subject(template, 1, abnormal=True), scan(template, 1)
    dataset = pydicom.dcmread(io.BytesIO(formats.dicom_bytes(stored, 1, seed=0)))
    values = pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset)
    lowest, highest = GAIN
    gain = float(np.sum(values * measured.image) / np.sum(measured.image**2))
    assert lowest <= gain <= highest
    # Half a step of rounding, and a little for the gain, which is fitted to the rounded values.
    np.testing.assert_allclose(values, gain * measured.image, atol=0.55 * stored.slope)


def test_dicom_and_nifti_hold_the_same_anatomy_at_the_same_place(template: Template) -> None:
    stored = scan(template, 2)
    dataset = pydicom.dcmread(io.BytesIO(formats.dicom_bytes(stored, 1, seed=0)))
    image = nibabel.Nifti1Image.from_bytes(_unzipped(formats.nifti_bytes(stored)))
    mask = nibabel.Nifti1Image.from_bytes(_unzipped(formats.nifti_mask_bytes(stored)))
    png = np.asarray(Image.open(io.BytesIO(formats.png_mask_bytes(stored))))
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    np.testing.assert_array_equal(mask.affine, image.affine)
    values = pydicom.pixels.apply_modality_lut(dataset.pixel_array, dataset)
    rows, columns = np.indices(values.shape).reshape(2, -1)
    right, down = np.reshape(np.array(dataset.ImageOrientationPatient, dtype=float), (2, 3))
    down_mm, right_mm = (float(spacing) for spacing in dataset.PixelSpacing)
    lps = np.array(dataset.ImagePositionPatient, dtype=float) + np.outer(columns * right_mm, right)
    lps += np.outer(rows * down_mm, down)
    ras = lps * [-1, -1, 1]
    np.testing.assert_allclose(ras, slice_positions(SIZE, stored.level_mm).reshape(3, -1).T, atol=0.02)
    voxels = nibabel.affines.apply_affine(np.linalg.inv(image.affine), ras)
    i, j, k = np.rint(voxels).astype(int).T
    np.testing.assert_allclose(voxels, np.stack([i, j, k], axis=1), atol=0.02)
    np.testing.assert_allclose(image.get_fdata()[i, j, k], values.ravel(), atol=1e-3)
    np.testing.assert_array_equal(np.asarray(mask.dataobj)[i, j, k], png.ravel() // 255)


def _unzipped(content: bytes) -> bytes:
    assert content[4:8] == bytes(4)  # no time stamp
    return gzip.decompress(content)


def test_without_nilearn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MedadError, match=re.escape("pip install 'medad[demo]'")):
        anatomy.load_template()


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="test_normal must be 0 or more"):
        DemoCounts(test_normal=-1)
    with pytest.raises(ValueError, match="image_size"):
        write_demo(tmp_path / "data", image_size=8)
