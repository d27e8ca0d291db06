"""What the parsers of the raw downloads make of miniatures in the true layouts."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from helpers import raw_downloads
from helpers.raw_downloads import ABNORMALS, NORMALS

from medad.datasets.base import DatasetError
from medad.datasets.raw_downloads import RawCase
from medad.io import ReadSettings, read_picture
from medad.registry import datasets


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a miniature, made once."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = getattr(raw_downloads, name)(tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture
def own(raw: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy to break."""
    return lambda name: shutil.copytree(raw(name), tmp_path / name)


def cases(name: str, folder: Path) -> dict[str, RawCase]:
    return {case.name: case for case in datasets.get(name).raw_cases(folder)}


@pytest.mark.parametrize("name", ["rsna", "vindr", "braintumor", "lag", "isic2018"])
def test_every_case_is_there_once_with_a_file_and_a_label(name: str, raw: Callable[[str], Path]) -> None:
    found = datasets.get(name).raw_cases(raw(name))
    wanted = {0: 17, 1: 4} if name == "isic2018" else {0: NORMALS, 1: ABNORMALS}
    assert Counter(case.label for case in found) == wanted
    assert all(path.is_file() for case in found for path in case.files)


def test_rsna(raw: Callable[[str], Path]) -> None:
    found = cases("rsna", raw("rsna")).values()
    opacity = [case for case in found if ("class", "Lung Opacity") in case.attributes]
    assert len(opacity) == ABNORMALS // 2
    assert {case.boxes for case in opacity} == {((5.0, 8.0, 10.0, 20.0), (30.0, 6.0, 12.0, 24.0))}
    others = [case for case in found if case not in opacity]
    assert {case.boxes for case in others} == {()}
    assert {case.label for case in others} == {0, 1}
    for case in found:
        assert (case.patient, case.files[0].name) == (case.name.removesuffix(".png"), f"{case.patient}.dcm")
        assert pydicom.dcmread(case.files[0]).PatientID == case.patient


def test_vindr_is_normal_where_every_reader_finds_nothing(raw: Callable[[str], Path]) -> None:
    found = cases("vindr", raw("vindr"))
    assert {len(case.boxes) for case in found.values() if case.label == 0} == {0}
    # Three readers with two boxes each; four images where the third one found nothing are abnormal all the same.
    assert Counter(len(case.boxes) for case in found.values() if case.label == 1) == {6: 12, 4: 4}
    boxes = {box for case in found.values() for box in case.boxes}
    assert (6.0, 20.0, 24.0, 20.0) in boxes
    assert (22.0, 8.0, 8.0, 8.0) in boxes
    assert {case.patient for case in found.values()} == {None}


def test_vindr_reads_alike_in_every_transfer_syntax(raw: Callable[[str], Path], tmp_path: Path) -> None:
    """What the miniature promises: the same pixels in four syntaxes, three depths and both polarities."""
    files = [case.files[0] for case in cases("vindr", raw("vindr")).values()]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    assert len({header.file_meta.TransferSyntaxUID for header in headers}) == 4
    assert {header.PhotometricInterpretation for header in headers} == {"MONOCHROME1", "MONOCHROME2"}
    image = raw_downloads.gray_image(np.random.default_rng(0), True, 48)
    seen = []
    for inverted in (False, True):
        for bits, syntax in ((12, "1.2.840.10008.1.2"), (14, "1.2.840.10008.1.2.4.90"), (16, "1.2.840.10008.1.2.4.80")):
            path = raw_downloads.radiograph(tmp_path / f"{bits}{inverted}.dicom", image, syntax, bits, inverted)
            pixels = read_picture(path, ReadSettings(voi="off", color="gray")).array[0].T
            seen.append((pixels - pixels.min()) / np.ptp(pixels))
    expected = (image - image.min()) / np.ptp(image)
    assert max(np.abs(pixels - expected).max() for pixels in seen) < 1e-3


def test_brain_tumor_leaves_pituitary_out(raw: Callable[[str], Path]) -> None:
    found = cases("braintumor", raw("braintumor"))
    assert Counter(dict(case.attributes)["class"] for case in found.values()) == {
        "notumor": NORMALS,
        "glioma": ABNORMALS // 2,
        "meningioma": ABNORMALS // 2,
    }
    assert found["Tr-no_0000.jpg"].label == 0
    assert found["Te-me_0001.jpg"].label == 1


def test_names_that_are_there_twice_get_their_folders(own: Callable[[str], Path]) -> None:
    folder = own("braintumor")
    (folder / "Testing/glioma/Te-gl_0000.jpg").rename(folder / "Testing/glioma/Tr-no_0000.jpg")
    found = cases("braintumor", folder)
    assert len(found) == NORMALS + ABNORMALS
    assert found["Training_notumor_Tr-no_0000.jpg"].label == 0
    assert found["Testing_glioma_Tr-no_0000.jpg"].label == 1
    assert "Tr-no_0000.jpg" not in found


def test_lag_takes_the_images_and_not_the_attention_maps(
    raw: Callable[[str], Path], own: Callable[[str], Path]
) -> None:
    found = cases("lag", raw("lag"))
    assert {case.files[0].parent.name for case in found.values()} == {"image"}
    assert (found["0003.jpg"].label, found["0503.jpg"].label) == (0, 1)
    folder = own("lag")
    for name in ("non_glaucoma", "suspicious_glaucoma"):
        shutil.rmtree(folder / name / "attention_map")
        for path in (folder / name / "image").iterdir():
            path.rename(folder / name / path.name)
        (folder / name / "image").rmdir()
    assert {case.name: case.label for case in cases("lag", folder).values()} == {
        name: case.label for name, case in found.items()
    }


def test_isic_2018_has_a_split_of_its_own(raw: Callable[[str], Path], own: Callable[[str], Path]) -> None:
    dataset = datasets.get("isic2018")
    found = dataset.raw_cases(raw("isic2018"))
    lists = dataset.own_split(found)
    assert {title: len(names) for title, names in lists.items()} == {
        "train normal": 12, "unlabeled normal": 0, "unlabeled abnormal": 0, "test normal": 5, "test abnormal": 4,
    }  # fmt: skip
    assert lists["train normal"][0] == "ISIC_0024306.jpg"
    lesions = Counter(case.patient for case in found)
    assert (lesions["HAM_0000000"], lesions[None]) == (2, 9)
    folder = own("isic2018")
    (folder / "ISIC2018_Task3_Training_LesionGroupings.csv").unlink()
    assert {case.patient for case in dataset.raw_cases(folder)} == {None}


def edited(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(
    ("name", "file", "before", "after", "said"),
    [
        ("rsna", "stage_2_detailed_class_info.csv", "Lung Opacity", "Opacity", "unknown class 'Opacity'"),
        ("rsna", "stage_2_detailed_class_info.csv", ",Lung Opacity", ",Normal", "has two classes"),
        ("rsna", "stage_2_detailed_class_info.csv", "patientId,", "patient,", "no column 'patientId'"),
        ("rsna", "stage_2_train_labels.csv", "5.0,8.0", "5.0,?", "are not numbers"),
        ("rsna", "stage_2_train_labels.csv", "5.0,8.0", "5.0,", "are not numbers"),
        ("rsna", "stage_2_train_labels.csv", "-1be4-", "-1be5-", "2 patients are in one of the two tables only"),
        ("vindr", "train.csv", "6,20,30,40", "6,20,3,40", "has no area"),
        ("vindr", "train.csv", "rad_id", "reader", "no column rad_id"),
        ("isic2018", "ISIC2018_Task3_Test_GroundTruth/ISIC2018_Task3_Test_GroundTruth.csv", "1.0", "0.0", "is of 0"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used_are_named(
    own: Callable[[str], Path], name: str, file: str, before: str, after: str, said: str
) -> None:
    folder = own(name)
    edited(folder / file, before, after)
    with pytest.raises(DatasetError, match=said) as raised:
        datasets.get(name).raw_cases(folder)
    assert str(folder) in str(raised.value)


def test_tables_that_are_no_tables(own: Callable[[str], Path]) -> None:
    folder = own("rsna")
    for content, said in (
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"patientId,class\nabc\n", "row 2 has 1 cells"),
        (b"", "no column 'patientId'"),
    ):
        (folder / "stage_2_detailed_class_info.csv").write_bytes(content)
        with pytest.raises(DatasetError, match=said):
            datasets.get("rsna").raw_cases(folder)
    (folder / "stage_2_detailed_class_info.csv").unlink()
    with pytest.raises(DatasetError, match=r"stage_2_detailed_class_info\.csv: there is no such file"):
        datasets.get("rsna").raw_cases(folder)
