"""A folder to studies: what is found, in which order, and what must not stop the walk."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medad.io import UnreadableImage, discover
from medad.io.core.folder import below
from medad.types import Skipped, Study

PIXELS = np.arange(20, dtype=np.uint16).reshape(4, 5)


def words(root):
    """file name -> "study", or the kind of what it is instead."""
    said = {}
    for found in discover(root):
        name = found.id if isinstance(found, Study) else found.path.relative_to(root).as_posix()
        said[name] = "study" if isinstance(found, Study) else type(found).__name__ + " " + found.kind
    return said


def test_formats_are_told_by_content_and_the_rest_is_said(dicom, tmp_path):
    dicom("scan", PIXELS, Modality="CR")
    nib.save(nib.Nifti1Image(PIXELS.astype(np.int16), np.eye(4)), tmp_path / "v.nii.gz")
    (tmp_path / "v.nii.gz").rename(tmp_path / "volume.bin")
    Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / "i.png")
    (tmp_path / "i.png").rename(tmp_path / "picture.dcm")
    dicom("dose.dcm", PIXELS, Modality="RTDOSE")
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    (tmp_path / "café.txt").write_text("déjà vu " * 300)
    (tmp_path / "data.json").write_text('{"a": 1}')
    (tmp_path / "page.html").write_text("<html></html>")
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "all.zip").write_bytes(b"PK\x03\x04" + b"\0" * 99)
    (tmp_path / "array.npy").write_bytes(b"\x93NUMPY\x01\0")
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)))
    (tmp_path / "nothing.log").write_bytes(b"")
    (tmp_path / ".hidden").write_text("x")
    (tmp_path / "lost.dcm").write_bytes(b"")
    (tmp_path / "error.dcm").write_text("<html>404</html>")
    (tmp_path / "cut.nii").write_bytes(b"\x5c\x01\0\0" + b"\0" * 340 + b"n+1\0" + b"\0" * 4)
    assert words(tmp_path) == {
        "scan": "study",
        "volume.bin": "study",
        "picture.dcm": "study",
        "dose.dcm": "Skipped rt-dose",
        "list.csv": "Skipped text",
        "café.txt": "Skipped text",
        "data.json": "Skipped json",
        "page.html": "Skipped markup",
        "report.pdf": "Skipped report",
        "all.zip": "Skipped archive",
        "array.npy": "Skipped array",
        "noise.bin": "Skipped unknown",
        "nothing.log": "Skipped empty",
        ".hidden": "Skipped hidden",
        "lost.dcm": "UnreadableImage empty",
        "error.dcm": "UnreadableImage not-an-image",
        "cut.nii": "UnreadableImage corrupt",
    }


def test_each_radiograph_of_a_series_is_a_study_and_the_patient_is_a_hash(dicom, tmp_path):
    for view in ("pa", "lateral"):
        dicom(f"{view}.dcm", PIXELS, Modality="DX", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1")
    dicom("other.dcm", PIXELS, Modality="DX", PatientID="another")
    dicom("unknown.dcm", PIXELS, Modality="DX", PatientID="")
    studies = {study.id: study for study in discover(tmp_path)}
    pseudonym = hashlib.sha256(b"ID-4711").hexdigest()[:12]
    assert studies["pa.dcm"].patient == studies["lateral.dcm"].patient == pseudonym
    assert studies["other.dcm"].patient not in (None, pseudonym, "another")
    assert studies["unknown.dcm"].patient is None
    assert all(len(study.files) == 1 for study in studies.values())


def test_a_single_file_is_one_study(dicom):
    path = dicom("a.dcm", PIXELS)
    (study,) = discover(path)
    assert (study.id, study.files) == ("a.dcm", (path,))


def test_the_order_is_the_same_every_time(dicom, series, volume, tmp_path):
    for name in ("z", "b/a", "b/c", "a10", "a9"):
        dicom(f"{name}.dcm", PIXELS, Modality="CR")
    series("m", volume)
    first = [study.id for study in discover(tmp_path)]
    assert first == [study.id for study in discover(tmp_path)]
    assert first[:5] == ["a10.dcm", "a9.dcm", "b/a.dcm", "b/c.dcm", "z.dcm"]
    assert first[5].startswith("m/")


def test_a_truncated_file_with_a_good_header_is_a_study_that_fails_on_reading(dicom, read, tmp_path):
    path = dicom("a.dcm", PIXELS)
    path.write_bytes(path.read_bytes()[:-10])
    (study,) = discover(tmp_path)
    with pytest.raises(UnreadableImage) as caught:
        read(study.files)
    assert caught.value.kind == "truncated"


def test_a_header_that_cannot_be_parsed_is_yielded_not_raised(dicom, tmp_path):
    path = dicom("a.dcm", PIXELS)
    path.write_bytes(path.read_bytes()[:140] + b"\xff" * 300)
    (found,) = discover(tmp_path)
    assert isinstance(found, UnreadableImage)
    assert found.path == path


def test_links_pipes_and_closed_folders_neither_hang_nor_raise(dicom, tmp_path):
    dicom("real/a.dcm", PIXELS)
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "copy.dcm").symlink_to(tmp_path / "real" / "a.dcm")
    os.mkfifo(tmp_path / "pipe.dcm")
    assert words(tmp_path) == {
        "copy.dcm": "study",
        "pipe.dcm": "Skipped special",
        "real/a.dcm": "study",
        "real/loop": "Skipped link",
        "real/nowhere": "Skipped link",
    }
    (missing,) = discover(tmp_path / "missing")
    assert isinstance(missing, UnreadableImage)
    assert isinstance(next(discover(tmp_path / "pipe.dcm")), Skipped)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_folder_is_said(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    (found,) = discover(tmp_path)
    assert isinstance(found, UnreadableImage)
    assert found.kind == "no-permission"


def test_discovery_and_decoding_import_neither_torch_nor_monai(bundled):
    code = (
        "import sys; from pathlib import Path; from medad.io import UnreadableImage\n"
        "assert not {'torch', 'monai', 'pydicom', 'nibabel', 'pydantic'} & set(sys.modules)\n"
        "from medad.io import ReadSettings, discover, read_picture\n"
        f"found = list(discover(Path({str(bundled)!r})))\n"
        f"read_picture(Path({str(bundled)!r}) / 'CT_small.dcm', ReadSettings())\n"
        "assert len(found) > 100 and not {'torch', 'monai'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_walk_without_order_finds_the_same_and_leaves_out_what_it_is_told(dicom, tmp_path):
    for name in ("z", "b/a", "b/c", "out/x"):
        dicom(f"{name}.dcm", PIXELS)
    (tmp_path / ".git").mkdir()
    found = {str(getattr(one, "path", one)) for one in below(tmp_path, in_order=False, leave_out=tmp_path / "out")}
    assert found == {str(tmp_path / name) for name in ("z.dcm", "b/a.dcm", "b/c.dcm", ".git")}
    assert str(tmp_path / "out" / "x.dcm") in {str(one) for one in below(tmp_path)}


def test_a_folder_that_vanishes_during_the_walk_is_said(dicom, tmp_path):
    dicom("a/x.dcm", PIXELS)
    (tmp_path / "b").mkdir()
    (tmp_path / "out").mkdir()
    found = below(tmp_path, leave_out=tmp_path / "out")
    assert next(found) == tmp_path / "a" / "x.dcm"
    (tmp_path / "b").rmdir()
    (gone,) = found
    assert isinstance(gone, UnreadableImage)
    assert (gone.path, gone.kind) == (tmp_path / "b", "missing")


def test_folders_nested_deeper_than_a_generator_could_recurse_are_walked(tmp_path):
    folder = tmp_path / "/".join("d" * 900)
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"")
    (tmp_path / "stays").write_bytes(b"")
    assert [one.name for one in below(tmp_path)] == ["a.png", "stays"]
    (folder / "a.png").unlink()
    os.removedirs(folder)  # pytest would recurse


def test_a_name_that_is_no_utf8_is_found(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.fromarray(PIXELS.astype(np.uint8)).save(path, format="PNG")
    (study,) = discover(tmp_path)
    assert os.fsencode(study.id) == b"caf\xe9.png"


def test_a_link_in_a_circle_is_said(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert words(tmp_path) == {"a": "Skipped link", "b": "Skipped link"}


def test_slices_of_two_patients_that_share_a_series_are_two_studies(dicom, tmp_path):
    place = {"SeriesInstanceUID": "1.2.3", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
    for index in range(4):
        tags = {**place, "ImagePositionPatient": [0, 0, index], "PatientID": f"P{index // 2}"}
        dicom(f"{index}.dcm", PIXELS, **tags)
    assert [len(study.files) for study in discover(tmp_path)] == [2, 2]
