"""Result objects: valid, on the right frames and at the right place, and read back by tools that are not ours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from helpers import dicom_sources as sources
from helpers.dicom_cases import MODEL, SCALE, SOURCES, VERDICT, result_of
from pydicom.dataset import Dataset

from medad.io import UnreadableImage
from medad.io.core.settings import ReadSettings
from medad.io.read import read_picture
from medad.outputs.dicom import KINDS
from medad.outputs.dicom.gsps import outlines
from medad.outputs.dicom.result import CaseResult
from medad.outputs.dicom.source import NoDicomResult, read_source
from medad.outputs.dicom.uids import Uids
from medad.outputs.dicom.writing import holds, write_object

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
DIAGNOSES = ("abnormal", "lesion", "tumor", "disease", "pathol", "diagnosed", "malign", "cancer", "positive")
Make = Callable[[str], CaseResult]


@pytest.fixture(params=SOURCES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> CaseResult:
    """A case of each kind of source."""
    return result_of(sources.write(tmp_path / "source", *SOURCES[request.param]()))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that makes the case of one kind."""
    return lambda kind: result_of(sources.write(tmp_path / kind, *SOURCES[kind]()))


def written(folder: Path, case: CaseResult, kind: str, text: str = "result") -> Path:
    path = folder / f"{kind}.dcm"
    write_object(path, case, Uids(kind, text))
    return path


def test_every_object_of_every_source_is_valid_or_refused_in_words(case: CaseResult, tmp_path: Path) -> None:
    refused = {}
    for kind in KINDS:
        try:
            path = written(tmp_path, case, kind)
        except NoDicomResult as error:
            refused[kind] = str(error)
        else:
            assert sources.errors(path) == []
            dataset = sources.read(path)
            for name, value in sources.IDENTITY.items():
                assert str(dataset[name].value) == value
            assert dataset.StudyInstanceUID == case.source.first.StudyInstanceUID
            assert "research use only" in dataset.SeriesDescription
    color = case.source.first.PhotometricInterpretation == "RGB"
    unplaced = "FrameOfReferenceUID" not in case.source.first
    assert set(refused) == ({"gsps"} if color else set()) | ({"pm"} if unplaced else set())
    assert not any("highdicom" in reason for reason in refused.values())


def test_the_segmentation_reads_back_as_the_map_within_8_bits(case: CaseResult, tmp_path: Path) -> None:
    seg = highdicom.seg.segread(written(tmp_path, case, "seg"))
    source, count = case.source, len(case.heat)
    expected = np.clip((case.heat - 0.3) / 0.6, 0, 1)
    if source.frames:
        read = seg.get_pixels_by_source_frame(
            source.first.SOPInstanceUID, source.frames, rescale_fractional=True, assert_missing_frames_are_empty=True
        )
    else:
        read = seg.get_pixels_by_source_instance(
            [header.SOPInstanceUID for header in source.headers],
            rescale_fractional=True,
            assert_missing_frames_are_empty=True,
        )
    assert read.shape == (count, *sources.SIDE, 1)
    np.testing.assert_allclose(read[..., 0], expected, atol=0.5 / 255 + 1e-6)
    assert seg.NumberOfFrames == int((case.levels.max(axis=(1, 2)) > 0).sum())


@pytest.mark.parametrize("kind", ["axial", "flipped", "sagittal", "oblique", "enhanced"])
@pytest.mark.parametrize("object_kind", ["seg", "pm"])
def test_the_peak_lies_where_it_belongs_in_the_patient(make: Make, kind: str, object_kind: str, tmp_path: Path) -> None:
    """The expected place comes from the numbers that the series was made with."""
    case = make(kind)
    dataset = sources.read(written(tmp_path, case, object_kind))
    cosines = np.array(
        {"axial": sources.AXIAL, "flipped": sources.FLIPPED, "sagittal": sources.SAGITTAL}.get(kind, sources.OBLIQUE)
    )
    across, down = cosines[:3], cosines[3:]
    expected = np.array([10.0, -20, 30]) + 3 * 3.0 * np.cross(across, down) + 25 * 0.5 * down + 9 * 0.8 * across
    pixels = dataset.pixel_array.reshape(-1, *sources.SIDE)
    frame, row, column = np.unravel_index(pixels.argmax(), pixels.shape)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    stated = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    spacing = [float(part) for part in shared.PixelMeasuresSequence[0].PixelSpacing]
    origin = dataset.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0].ImagePositionPatient
    place = np.array(origin, float) + row * spacing[0] * stated[3:] + column * spacing[1] * stated[:3]
    np.testing.assert_allclose(place, expected, atol=1e-3)


def test_simpleitk_draws_the_map_over_the_source_at_the_same_pixels(make: Make, tmp_path: Path) -> None:
    """SimpleITK reads both, and places each in the patient by its own reading of the headers."""
    case = make("oblique")
    seg = sitk.ReadImage(str(written(tmp_path, case, "seg")))
    source = sitk.ReadImage(str(tmp_path / "oblique" / "003.dcm"))  # the slice with the peak
    normal = np.reshape(source.GetDirection(), (3, 3))[:, 2]
    pixels = sitk.GetArrayFromImage(seg)
    peak = pixels[np.argmax(pixels.max(axis=(1, 2)))]
    for row, column in ((25, 9), (25, 13), (20, 9), (30, 5)):
        place = np.array(seg.TransformIndexToPhysicalPoint((column, row, 0)))
        off = (place - np.array(source.GetOrigin())) @ normal  # mm along the normal, which in-plane places ignore
        assert source.TransformPhysicalPointToIndex((place - off * normal).tolist())[:2] == (column, row)
        assert peak[row, column] == case.levels[3, row, column]


def test_the_report_says_what_is_known_and_no_diagnosis(make: Make, tmp_path: Path) -> None:
    sources.need("dsrdump")
    case = make("axial")
    path = written(tmp_path, case, "sr")
    done = subprocess.run(["dsrdump", "+Pl", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    for words in (
        *("Anomaly score", "0.51", "Percentile among normals", "97.5", "Conformal p-value", "0.025", "Flagged"),
        *(
            "Operating point in use",
            "sens 90",
            "Threshold of the operating point",
            "0.4",
            "medad ddad",
            "0.1",
            "digest=abcdef0123456789",
            "Research use only",
        ),
        "alpha;threshold:sens 90",
    ):
        assert words in text, words
    assert text.count("MR image") + text.count("MRImage") + text.count("(MR") >= 5, text
    dataset = sources.read(path)
    assert (dataset.CompletionFlag, dataset.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert dataset.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99MEDAD"


def test_without_normals_and_rules_the_report_holds_the_score_alone(make: Make, tmp_path: Path) -> None:
    case = make("CR")
    bare = replace(case.verdict, p=None, percentile=None, threshold=None, point=None, flagged=None, flagged_by="")
    path = written(tmp_path, replace(case, verdict=bare), "sr")
    assert sources.errors(path) == []
    values = [str(item.MeasuredValueSequence[0].NumericValue) for item in items_of(sources.read(path), "NUM")]
    assert values == ["0.51"]
    assert "NO_RULE" in {item.ConceptCodeSequence[0].CodeValue for item in items_of(sources.read(path), "CODE")}


def items_of(dataset: Dataset, kind: str) -> list[Dataset]:
    """All content items of a report that have this value type."""
    items = list(dataset.get("ContentSequence") or ())
    return [item for item in items if item.ValueType == kind] + [one for item in items for one in items_of(item, kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_object_holds_a_word_of_diagnosis_and_all_tell_the_rule(make: Make, kind: str, tmp_path: Path) -> None:
    dataset = sources.read(written(tmp_path, make("axial"), kind))
    text = " ".join(str(element.value) for element in dataset.iterall() if element.VR != "SQ").lower()
    assert not [word for word in DIAGNOSES if word in text]
    assert "research use only" in text
    if kind != "gsps":
        assert "scaled by a rule fixed for the model" in text
        assert "normals' 99th percentile" in text


def test_the_scale_is_that_of_the_model_and_not_of_the_image(make: Make) -> None:
    case = make("CR")
    half = replace(case, heat=case.heat / 2)
    assert case.levels.max() == 255
    assert half.levels.max() == round((0.5 - 0.3) / 0.6 * 255)


def test_the_capture_colors_the_peak_and_leaves_the_rest_gray(make: Make, tmp_path: Path) -> None:
    """Read by SimpleITK."""
    case = make("axial")
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(written(tmp_path, case, "sc"))))
    picture = picture.reshape(picture.shape[-3:])
    factor = 512 // 40
    body = picture[: 40 * factor, : 32 * factor].astype(int)
    colored = (body.max(axis=2) - body.min(axis=2) > 12)[factor // 2 :: factor, factor // 2 :: factor]
    assert colored[case.levels[3] > 50].all()  # below that the overlay is nearly transparent
    assert not colored[case.levels[3] == 0].any()
    assert picture[40 * factor :].max() > 200
    dataset = sources.read(tmp_path / "sc.dcm")
    assert [float(part) for part in dataset.PixelSpacing] == pytest.approx([0.5 / factor, 0.8 / factor])
    assert list(dataset.PatientOrientation) == ["L", "P"]


def test_outlines_surround_the_region_in_pixel_coordinates() -> None:
    levels = np.zeros((20, 30), np.uint8)
    levels[5:12, 8:18] = 255
    (line,) = outlines(levels)
    assert (line[0] == line[-1]).all()
    np.testing.assert_allclose(line.min(axis=0), [8, 5], atol=0.1)
    np.testing.assert_allclose(line.max(axis=0), [18, 12], atol=0.1)
    (whole,) = outlines(np.full((20, 30), 255, np.uint8))
    assert whole.min() >= 0
    np.testing.assert_allclose(whole.max(axis=0), [30, 20])


def test_the_same_result_is_the_same_object_and_another_one_is_not(make: Make, tmp_path: Path) -> None:
    case = make("oblique")
    for kind in KINDS:
        first, second = written(tmp_path / "a", case, kind), written(tmp_path / "b", case, kind)
        assert flat(sources.read(first)) == flat(sources.read(second))
        other = written(tmp_path / "c", case, kind, "another result")
        assert sources.read(other).SOPInstanceUID != sources.read(first).SOPInstanceUID
        assert holds(first, Uids(kind, "result"))
        assert not holds(first, Uids(kind, "another result"))
    first.write_bytes(first.read_bytes()[:100])
    assert not holds(first, Uids(kind, "result"))


def flat(dataset: Dataset) -> list[str]:
    """All values but dates and times."""
    return [str(element) for element in dataset.iterall() if element.VR not in ("DA", "TM", "DT", "SQ")]


def test_names_keep_their_character_set(tmp_path: Path) -> None:
    one = sources.instance(1, np.zeros(sources.SIDE), "CR", BodyPartExamined="CHEST")
    one.SpecificCharacterSet, one.PatientName = ["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"
    case = result_of(sources.write(tmp_path / "source", one))
    for kind in ("seg", "sr", "sc", "gsps"):
        assert str(sources.read(written(tmp_path, case, kind)).PatientName) == "Yamada^Tarou=山田^太郎"


def test_wrong_values_of_the_source_are_left_out(tmp_path: Path) -> None:
    one = sources.instance(1, np.zeros(sources.SIDE), "CR", BodyPartExamined="CHEST", PatientIdentityRemoved="YES")
    with pydicom.config.disable_value_validation():
        one.PatientSex, one.StudyTime = "female", "10 o'clock"
        one.add_new("PatientAge", "AS", "seventy")
        paths = sources.write(tmp_path / "source", one)
    case = result_of(paths)
    for kind in ("seg", "sr", "sc", "gsps"):
        path = written(tmp_path, case, kind)
        assert sources.errors(path) == []
        assert sources.read(path).PatientSex == ""


def test_a_source_that_is_no_dicom_or_lacks_a_uid_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    with pytest.raises(NoDicomResult, match="no DICOM file"):
        read_source([tmp_path / "note.png"])
    one = sources.instance(1, np.zeros(sources.SIDE), "CR")
    del one.StudyInstanceUID
    with pytest.raises(NoDicomResult, match="states no StudyInstanceUID"):
        read_source(sources.write(tmp_path / "source", one))
    with pytest.raises(UnreadableImage):
        read_source([tmp_path / "gone.dcm"])


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "693_J2KI.dcm", "examples_palette.dcm", "examples_ybr_color.dcm"],
)
def test_public_files_give_valid_objects(name: str, tmp_path: Path) -> None:
    """They ship with pydicom, and their headers lack what headers of the field lack."""
    path = PYDICOM_FILES / name
    if not path.is_file():
        pytest.skip(f"pydicom brings no {name}")
    source = read_source([path])
    count = len(source.frames) or 1
    size = read_picture([path], ReadSettings()).array.shape[2:0:-1]
    heat = np.linspace(0, 1, count * size[0] * size[1], dtype=np.float32).reshape(count, *size)
    case = CaseResult(source, heat, heat[-1], count - 1, SCALE, VERDICT, MODEL)
    made = []
    for kind in KINDS:
        try:
            assert sources.errors(written(tmp_path, case, kind)) == []
            made.append(kind)
        except NoDicomResult:
            continue
    assert {"sr", "sc"} <= set(made)
