"""A manifest over folders of one's own: what is found, grouped, cut, dropped and refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from helpers.making import gray_image, write_dicom
from PIL import Image

from medad.csv_tables import read_cells
from medad.io import read_image
from medad.manifest.create import Built, folders, init
from medad.manifest.reading import read_manifest
from medad.manifest.rows import ManifestError
from medad.manifest.sources import of_table


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """Radiographs of four patients, a CT series of three slices, a NIfTI volume of four, and things that are none."""
    rng = np.random.default_rng(5)
    for name, patient in (("normal/a", "A"), ("normal/b", "B"), ("archive/c", "C"), ("sick/d", "D"), ("fine/e", "E")):
        write_dicom(tmp_path / f"{name}.dcm", gray_image(rng, side=20), Modality="DX", PatientID=patient)
    for index in (2, 0, 1):
        tags = {"ImagePositionPatient": [0, 0, 2.0 * index], "SeriesInstanceUID": "1.2.3", "PatientID": "F"}
        write_dicom(tmp_path / "archive" / "ct" / f"{index}", gray_image(rng, side=20), Modality="CT", **tags)
    nib.save(nib.Nifti1Image(rng.random((6, 5, 4)), np.eye(4)), tmp_path / "archive" / "scan.nii.gz")
    (tmp_path / "archive" / "notes.txt").write_text("no image")
    (tmp_path / "archive" / "torn.dcm").write_bytes((tmp_path / "normal" / "a.dcm").read_bytes()[:150])
    return tmp_path


def built(hospital: Path, *, test: bool = True, **options: object) -> Built:
    tested = (hospital / "fine", hospital / "sick") if test else (None, None)
    sources = folders(hospital / "normal", hospital / "archive", *tested)
    return init(sources, hospital / "study", workers=1, **options)  # type: ignore[arg-type]


def test_studies_are_found_and_grouped(hospital: Path) -> None:
    made = built(hospital)
    assert made.counts == {"normal": 2, "unlabeled": 3, "test normal": 1, "test abnormal": 1}
    manifest = read_manifest(hospital / "study")
    assert (manifest.name, manifest.cut) == ("study", "volumes")
    series = manifest.studies("unlabeled")[-1]
    assert [file.name for file in series.files] == ["0", "1", "2"]
    assert read_image(series.files).shape == (1, 20, 20, 3)
    assert series.id == "../archive/ct/0"
    assert len({study.patient for study in (*manifest.studies("normal"), *manifest.studies("test"))}) == 4
    left = {Path(row[0]).name: row[1] for row in read_cells(hospital / "study" / "left_out.csv", "file")[1]}
    assert left == {"notes.txt": "no image", "torn.dcm": "broken"}
    summary = json.loads((hospital / "study" / "manifest.json").read_text())
    assert summary["studies"]["unlabeled"] == 3
    assert summary["digest"] == manifest.digest()


def test_volumes_are_cut_where_that_is_wanted(hospital: Path) -> None:
    made = built(hospital, slices=True)
    assert made.counts["unlabeled"] == 1 + 4 + 3
    manifest = read_manifest(hospital / "study")
    assert manifest.cut == "slices"
    cut = [study for study in manifest.studies("unlabeled") if "scan" in study.id]
    assert [study.id for study in cut] == [f"../archive/scan.nii.gz#z{index}" for index in (1, 2, 3, 4)]
    assert len({study.patient for study in cut}) == 1
    assert all(read_image(study.files).shape[0] == 1 for study in manifest.studies("unlabeled"))
    assert len({study.patient for study in manifest.studies("unlabeled") if "/ct/" in study.id}) == 1


def test_a_patient_on_two_sides_is_refused_or_dropped(hospital: Path) -> None:
    write_dicom(hospital / "archive" / "again.dcm", gray_image(np.random.default_rng(9)), Modality="DX", PatientID="D")
    with pytest.raises(ManifestError) as raised:
        built(hospital)
    assert "1 patient of the test, with 1 file, in what is learned from" in str(raised.value)
    assert "--drop-shared" in str(raised.value)
    assert not (hospital / "study" / "manifest.csv").exists()
    made = built(hospital, drop_shared=True)
    assert (made.dropped, made.counts["unlabeled"], made.counts["test abnormal"]) == (1, 3, 1)
    assert not any("again" in study.id for study in made.manifest.studies("unlabeled"))


def test_no_patient_is_written_anywhere(hospital: Path) -> None:
    built(hospital)
    for path in (hospital / "study").iterdir():
        assert "Secret" not in path.read_text()
    with (hospital / "study" / "manifest.csv").open() as file:
        patients = {row["patient"] for row in csv.DictReader(file)}
    assert all(len(patient) in (0, 12) for patient in patients)


def test_folders_that_cannot_be_told_apart(hospital: Path) -> None:
    with pytest.raises(ManifestError, match="--unlabeled lies in --normal"):
        folders(hospital, hospital / "archive", None, None)
    with pytest.raises(ManifestError, match="no such file"):
        folders(hospital / "gone", None, None, None)
    (hospital / "empty").mkdir()
    with pytest.raises(ManifestError, match="no DICOM, NIfTI or raster image"):
        init(folders(hospital / "empty", None, None, None), hospital / "study")
    built(hospital)
    with pytest.raises(ManifestError, match="is there already"):
        built(hospital)


def test_a_table_names_files_and_folders(hospital: Path) -> None:
    """A label per row, a folder for a series, further columns; a patient's number becomes what DICOM's would."""
    (hospital / "table.csv").write_text(
        "file,role,label,patient,scanner\n"
        "normal/a.dcm,normal,,,x\nnormal/b.dcm,normal,,B,y\narchive/ct,unlabeled,,,x\n"
        "sick/d.dcm,test,1,,x\nfine/e.dcm,test,0,,y\ngone.dcm,normal,,,x\n"
    )
    made = init(list(of_table(hospital / "table.csv")), hospital / "study", workers=1)
    assert made.counts == {"normal": 2, "unlabeled": 1, "test normal": 1, "test abnormal": 1}
    assert [(one.file.name, one.broken) for one in made.left_out] == [("gone.dcm", True)]
    normal = made.manifest.studies("normal")
    assert [study.attributes for study in normal] == [(("scanner", "x"),), (("scanner", "y"),)]
    by_header = init(folders(hospital / "normal", None, None, None), hospital / "other").manifest.studies("normal")
    assert [study.patient for study in normal] == [study.patient for study in by_header]
    (hospital / "table.csv").write_text("file,role\nnormal/a.dcm,norma\nnormal/b.dcm,test\n")
    with pytest.raises(ManifestError, match=r"row 2, column 'role'.*row 3, column 'label'"):
        list(of_table(hospital / "table.csv"))


def test_slices_of_a_masked_volume_are_abnormal_where_the_mask_is(hospital: Path) -> None:
    mask = np.zeros((6, 5, 4), np.uint8)
    mask[2, 2, 1:3] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), hospital / "mask.nii.gz")
    (hospital / "table.csv").write_text("file,role,label,mask\narchive/scan.nii.gz,test,1,mask.nii.gz\n")
    test = init(list(of_table(hospital / "table.csv")), hospital / "study", slices=True, workers=1).manifest.studies(
        "test"
    )
    assert [study.label for study in test] == [0, 1, 1, 0]
    assert [study.mask and study.mask.name for study in test] == [None, "mask.nii.gz#z2", "mask.nii.gz#z3", None]
    marked = read_image(test[1].mask)
    assert marked.sum() == 1
    volumes = init(list(of_table(hospital / "table.csv")), hospital / "other", workers=1).manifest.studies("test")
    assert [(study.label, study.mask and study.mask.name) for study in volumes] == [(1, "mask.nii.gz")]


def test_one_mask_cannot_belong_to_several_studies(hospital: Path) -> None:
    Image.new("L", (20, 20)).save(hospital / "m.png")
    (hospital / "table.csv").write_text("file,role,label,mask\nnormal,test,1,m.png\n")
    with pytest.raises(ManifestError, match="row 2: one mask for 2 studies"):
        init(list(of_table(hospital / "table.csv")), hospital / "study")
