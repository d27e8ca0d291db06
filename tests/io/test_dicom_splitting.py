"""Series of several acquisitions: each volume by itself, and by which elements it was told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from medad.io import ReadSettings, UnreadableImage, discover, read_picture
from medad.io.inspection import inspected
from medad.types import Study

MR = {"Modality": "MR", "SOPClassUID": MRImageStorage}
PET = {"Modality": "PT", "SOPClassUID": PositronEmissionTomographyImageStorage}
CT = {"Modality": "CT", "SOPClassUID": CTImageStorage}
PRIVATE = {
    "siemens": (0x0019, "SIEMENS MR HEADER"),
    "ge": (0x0043, "GEMS_PARM_01"),
    "ge acquisition": (0x0019, "GEMS_ACQU_01"),
    "philips": (0x2001, "Philips Imaging DD 001"),
    "philips mr": (0x2005, "Philips MR Imaging DD 001"),
    "uih": (0x0065, "Image Private Header"),
}

Add = Callable[..., Path]


@pytest.fixture
def add(dicom: Callable[..., Path]) -> Add:
    """``add(z, value, private={("ge", 0x2F): ("SS", 0)}, EchoTime=5)`` writes one slice whose pixels are ``value``."""
    numbers: Iterator[int] = count()

    def write(z: float, value: int, private: Any = None, x: float = 0.0, **tags: Any) -> Path:
        number = next(numbers)
        geometry = {
            "ImagePositionPatient": [x, 0, float(f"{z:.6g}")],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [1, 1],
            "SliceThickness": 3,
            "InstanceNumber": number + 1,
        }
        path = dicom(f"{number:04}.dcm", np.full((4, 4), value, np.int16), **(geometry | tags))
        if private:
            image = pydicom.dcmread(path)
            for (vendor, element), (kind, content) in private.items():
                image.private_block(*PRIVATE[vendor], create=True).add_new(element, kind, content)
            image.save_as(path)
        return path

    return write


def volumes(folder: Path) -> list[Study]:
    """The studies in a folder; nothing else may be in it, and each file is in one of them."""
    studies = list(discover(folder))
    assert all(isinstance(study, Study) for study in studies), studies
    files = [path for study in studies for path in study.files]
    assert sorted(files) == sorted(folder.iterdir())
    return studies


def check(folder: Path, values: list[int], slices: int, *elements: str) -> None:
    """There is a volume of ``slices`` for each of the values, and its notes name the elements."""
    studies = volumes(folder)
    seen = []
    for study in studies:
        array = read_picture(study.files, ReadSettings()).array
        assert len(study.files) == slices
        assert array.min() == array.max(), "two acquisitions are in one volume"
        seen.append(int(array.min()))
        note = "; ".join(study.notes)
        assert all(name in note for name in elements), note
    assert sorted(seen) == sorted(values)


ORDERS = [lambda *axes: product(*axes), lambda *axes: (one[::-1] for one in product(*axes[::-1]))]


@pytest.mark.parametrize("order", ORDERS, ids=["place by place", "volume by volume"])
def test_two_echoes_of_magnitude_and_phase(add, tmp_path, order):
    for z, (echo, part) in order(range(5), [*product((4.92, 7.38), "MP")]):
        tags = {"ImageType": ["ORIGINAL", "PRIMARY", part, "ND"], "EchoTime": echo, "EchoNumbers": int(echo > 5) + 1}
        add(3 * z, int(echo * 100) + (part == "P"), **MR, **tags, AcquisitionTime=f"1000{10 + z}.1250")
    check(tmp_path, [492, 493, 738, 739], 5, "4 volumes", "ImageType", "EchoTime")


def test_ge_states_the_part_of_a_complex_image_in_a_private_element(add, tmp_path):
    for z, raw, echo in product(range(4), range(4), (1.5, 3.5)):
        private = {("ge", 0x2F): ("SS", raw)}
        add(3 * z, 10 * raw + int(echo), private, **MR, EchoTime=echo, ImageType=["ORIGINAL", "PRIMARY", "OTHER"])
    check(tmp_path, [1, 3, 11, 13, 21, 23, 31, 33], 4, "RawDataType", "EchoTime")


def test_philips_states_it_in_the_type_or_in_a_private_element(add, tmp_path):
    for z, (value, part) in product(range(4), enumerate("MPRI")):
        add(3 * z, value, **MR, ImageType=["ORIGINAL", "PRIMARY", f"{part}_FFE", part, "FFE"], SeriesInstanceUID="1.5")
        private = {("philips mr", 0x11): ("CS", part)}
        add(3 * z, 10 + value, private, **MR, ImageType=["ORIGINAL", "PRIMARY"], SeriesInstanceUID="1.6")
    check(tmp_path, [0, 1, 2, 3, 10, 11, 12, 13], 4, "4 volumes")


def test_dixon_water_fat_and_phases(add, tmp_path):
    for z, (value, kind) in product(range(4), enumerate(("WATER", "FAT", "IN_PHASE", "OPP_PHASE"))):
        add(3 * z, value, **MR, ImageType=["DERIVED", "PRIMARY", "DIXON", kind])
    check(tmp_path, [0, 1, 2, 3], 4, "ImageType")


def diffusion(vendor: str, b: int, direction: tuple[float, float, float]) -> tuple[Any, dict[str, Any]]:
    """(private elements, standard elements) in which a vendor states the weighting."""
    if vendor == "siemens":
        return {("siemens", 0x0C): ("IS", b), **({("siemens", 0x0E): ("FD", list(direction))} if b else {})}, {}
    if vendor == "ge":
        along = {("ge acquisition", 0xBB + at): ("DS", f"{one:.6f}") for at, one in enumerate(direction)}
        return {("ge", 0x39): ("IS", [1_000_000_000 + b, 8, 0, 0]), **along}, {}
    if vendor == "philips":
        along = {("philips mr", 0xB0 + at): ("FL", one) for at, one in enumerate(direction)}
        return {("philips", 0x03): ("FL", float(b)), **along}, {}
    if vendor == "uih":
        return {("uih", 0x09): ("FD", float(b)), ("uih", 0x37): ("FD", list(direction))}, {}
    return None, {"DiffusionBValue": float(b), "DiffusionGradientOrientation": list(direction)}


@pytest.mark.parametrize("vendor", ["siemens", "ge", "philips", "uih", "standard"])
def test_diffusion_is_split_by_b_value_and_direction(add, tmp_path, vendor):
    axes = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.6, 0.8)]
    weightings = [(0, (0.0, 0.0, 0.0)), *product((500, 1000), axes)]
    for z, (value, (b, direction)) in product(range(3), enumerate(weightings)):
        private, tags = diffusion(vendor, b, direction)
        add(3 * z, value, private, **MR, **tags)
    check(tmp_path, [*range(7)], 3, "7 volumes", "DiffusionBValue, DiffusionGradientOrientation")


@pytest.mark.parametrize("implicit", [False, True])
def test_private_elements_are_found_in_another_block_and_without_creators(add, tmp_path, implicit):
    for z, b in product(range(3), (0, 1000)):
        path = add(3 * z, b, **MR)
        image = pydicom.dcmread(path)
        if implicit:
            image.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            image.add_new((0x0019, 0x100C), "IS", b)
        else:
            image.add_new((0x2001, 0x0010), "LO", "ANOTHER")
            image.add_new((0x2001, 0x1003), "FL", 1.0)
            image.add_new((0x2001, 0x0012), "LO", "Philips Imaging DD 001")
            image.add_new((0x2001, 0x1203), "FL", float(b))
        image.save_as(path)
    check(tmp_path, [0, 1000], 3, "DiffusionBValue")


def test_b0_images_that_nothing_tells_apart_cost_no_directions(add, tmp_path):
    for z, value in product(range(4), range(5)):
        private, tags = diffusion(
            "standard", 1000 * (value > 1), (float(value > 1), float(value), 0.0) if value > 1 else (0.0, 0.0, 0.0)
        )
        add(3 * z, value, private, **MR, **tags)
    studies = volumes(tmp_path)
    assert sorted(len(study.files) for study in studies) == [4, 4, 4, 8]
    for study in studies:
        if len(study.files) == 4:
            assert np.ptp(read_picture(study.files, ReadSettings()).array) == 0
        else:
            with pytest.raises(UnreadableImage, match="no element of their headers tells them apart"):
                read_picture(study.files, ReadSettings())


@pytest.mark.parametrize("places", [4, 1])
def test_a_cardiac_cine_is_split_by_its_trigger_times(add, tmp_path, places):
    for z, phase in product(range(places), range(6)):
        add(8 * z, phase, **MR, TriggerTime=phase * 40.0, AcquisitionNumber=z * 6 + phase + 1)
    check(tmp_path, [*range(6)], places, *(["TriggerTime"] if places > 1 else []))


def test_trigger_times_that_follow_each_slices_own_heart_beat_are_taken_in_their_order(add, tmp_path):
    for z, phase in product(range(4), range(6)):
        add(8 * z, phase, **MR, TriggerTime=phase * (40.0 + z) + z / 3)
    check(tmp_path, [*range(6)], 4, "TriggerTime (its order at each place)")


def test_dynamic_pet_is_split_by_frame_reference_time(add, tmp_path):
    for z, (value, time) in product(range(5), enumerate((2500.0, 10000.0, 30000.0))):
        add(3 * z, value, **PET, FrameReferenceTime=time, ImageType=["ORIGINAL", "PRIMARY"])
    check(tmp_path, [0, 1, 2], 5, "FrameReferenceTime")


@pytest.mark.parametrize("each", [0, 0.03])
def test_ct_perfusion_is_split_by_acquisition_time(add, tmp_path, each):
    for time, z in product(range(4), range(3)):
        add(5 * z, time, **CT, AcquisitionTime=f"10{time:02}{2 * time:02}.{round(1000 * each * z):03}")
    check(tmp_path, [0, 1, 2, 3], 3, "AcquisitionTime")


def test_the_elements_that_mean_most_are_named_though_times_would_do(add, tmp_path):
    for z, phase in product(range(4), range(3)):
        tags = {"AcquisitionTime": f"10{phase:02}00", "ContentTime": f"11{phase:02}00", "AcquisitionNumber": phase + 1}
        add(3 * z, phase, **CT, **tags)
    check(tmp_path, [0, 1, 2], 4, "split by AcquisitionNumber")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("KVP", (80, 140)),
        ("ConvolutionKernel", ("B30f", "B70f")),
        ("ContrastBolusAgent", ("", "Iomeron")),
        ("TemporalPositionIdentifier", (1, 2)),
        ("FlipAngle", (5, 26)),
        ("InversionTime", (400, 2500)),
        ("SequenceName", ("*ep_b0", "*ep_b1000#1")),
        ("NominalPercentageOfCardiacPhase", (30.0, 70.0)),
        ("SliceThickness", (1, 5)),
        ("ComplexImageComponent", ("REAL", "IMAGINARY")),
        ("SeriesDescription", ("monochromatic 70 keV", "monochromatic 140 keV")),
    ],
)
def test_two_images_at_each_place_are_told_apart_by(add, tmp_path, name, values):
    for z, (value, stated) in product(range(3), enumerate(values)):
        add(3 * z, value, **CT, **{name: stated})
    check(tmp_path, [0, 1], 3, name)


@pytest.mark.parametrize("shift", [1.5, 1.0, 0.05])
def test_two_acquisitions_between_each_other_are_two_volumes(add, tmp_path, shift):
    for acquisition, z in product((1, 2), range(6)):
        add(3 * z + shift * (acquisition - 1), acquisition, **CT, AcquisitionNumber=acquisition)
    check(tmp_path, [1, 2], 6, "AcquisitionNumber")


def test_three_echoes_between_each_other_are_three_volumes(add, tmp_path):
    for echo, z in product(range(3), range(5)):
        add(3 * z + echo, echo, **MR, EchoTime=5 + echo)
    check(tmp_path, [0, 1, 2], 5, "EchoTime")


def whole(folder: Path) -> Study:
    """The only study of a folder, which was not split."""
    (study,) = volumes(folder)
    assert study.notes == ()
    return study


@pytest.mark.parametrize(
    "numbers",
    [[1] * 4 + [2] * 4, [*range(8)], [1, 1, 2, 2, 3, 3, 4, 4], [1, 1, 1, 1, 1, 2, 1, 1]],
    ids=["two breath-holds", "each slice", "rotations", "one slice"],
)
def test_a_scan_that_goes_on_is_one_volume_however_acquisitions_are_counted(add, tmp_path, numbers):
    for z, number in enumerate(numbers):
        add(3 * z, z, **CT, AcquisitionNumber=number, AcquisitionTime=f"10{number:02}00")
    assert read_picture(whole(tmp_path).files, ReadSettings()).array.shape[-1] == 8


def test_odd_and_even_slices_of_one_scan_stay_together(add, tmp_path):
    """Interleaved slices are taken one half after the other; their times differ, and their distance is stated."""
    for z in range(8):
        add(3 * z, z, **MR, AcquisitionTime=f"10{z % 2:02}00", SeriesInstanceUID="1.7")
        add(3 * z, z, **MR, AcquisitionNumber=z % 2, SpacingBetweenSlices=3, SeriesInstanceUID="1.8")
    assert [len(study.files) for study in volumes(tmp_path)] == [8, 8]


def test_shots_of_several_slices_at_a_time_stay_together(add, tmp_path):
    for z in range(12):
        add(3 * z, z, **MR, AcquisitionNumber=z % 4)
    assert len(whole(tmp_path).files) == 12


@pytest.mark.parametrize(("places", "kind"), [([0, 1, 2, 4, 5, 6], "missing-slices"), ([0, 1, 2, 3, 5, 7, 9], None)])
def test_uneven_spacing_of_one_scan_is_no_reason_to_split(add, tmp_path, places, kind):
    for at, z in enumerate(places):
        add(3.0 * z, z, **CT, AcquisitionNumber=1 + (at > 2), ContentTime=f"10{at:02}00")
    with pytest.raises(UnreadableImage) as caught:
        read_picture(whole(tmp_path).files, ReadSettings())
    assert kind is None or caught.value.kind == kind


def test_a_gap_in_one_echo_costs_the_other_nothing(add, tmp_path):
    for z, echo in product(range(6), (5, 9)):
        if (z, echo) != (2, 9):
            add(3 * z, echo, **MR, EchoTime=echo)
    good, bad = sorted(volumes(tmp_path), key=lambda study: -len(study.files))
    assert read_picture(good.files, ReadSettings()).array.shape[-1] == 6
    with pytest.raises(UnreadableImage, match="between its 5 slices, 1 is missing"):
        read_picture(bad.files, ReadSettings())


def test_a_dynamic_that_was_broken_off_keeps_its_volumes(add, tmp_path):
    for phase, z in product(range(4), range(6)):
        if (phase, z) < (3, 2):
            add(3 * z, phase, **MR, TemporalPositionIdentifier=phase + 1)
    assert sorted(len(study.files) for study in volumes(tmp_path)) == [2, 6, 6, 6]


def test_two_stacks_side_by_side_are_two_volumes(add, tmp_path):
    for z, x in product(range(5), (-90.0, 90.0)):
        add(3 * z, int(x), **MR, x=x)
    check(tmp_path, [-90, 90], 5, "ImagePositionPatient")


@pytest.mark.parametrize("reverse", [False, True])
def test_a_tilted_gantry_is_one_volume_and_two_kernels_of_it_are_two(add, tmp_path, reverse):
    for z, (value, kernel) in product(sorted(range(6), reverse=reverse), enumerate(("H30s", "H60s"))):
        path = add(3 * z, value, **CT, ConvolutionKernel=kernel)
        image = pydicom.dcmread(path)
        image.ImagePositionPatient = [0, 0.8 * z, 3 * z]
        image.save_as(path)
    check(tmp_path, [0, 1], 6, "ConvolutionKernel")


def test_a_localizer_of_three_planes_is_three_studies_and_says_why(dicom, tmp_path):
    planes = {
        "axial": ([1, 0, 0, 0, 1, 0], 2),
        "coronal": ([1, 0, 0, 0, 0, -1], 1),
        "sagittal": ([0, 1, 0, 0, 0, -1], 0),
    }
    for name, (cosines, axis) in planes.items():
        for at in range(3):
            position = [10.0 * at if axis == this else -50.0 for this in range(3)]
            tags = {"ImagePositionPatient": position, "ImageOrientationPatient": cosines, "PixelSpacing": [1, 1]}
            kind = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
            dicom(f"{name}{at}.dcm", np.zeros((4, 4), np.int16), **MR, **tags, **kind)
    studies = volumes(tmp_path)
    assert [len(study.files) for study in studies] == [3, 3, 3]
    assert all("ImageOrientationPatient" in study.notes[0] for study in studies)


def test_what_nothing_tells_apart_is_refused_with_the_elements_named(add, tmp_path):
    for z in range(4):
        for copy in range(2):
            add(3 * z, copy, **CT, ContentTime=f"10000{z if copy else 0}", KVP=80 + 40 * (copy and z < 2))
    (row,) = inspected(tmp_path, ReadSettings())
    assert (row.status, row.what, row.files) == ("refused", "duplicate-slices", 8)
    assert "they differ in KVP, ContentTime" in row.reason


def test_the_record_of_inspect_names_the_elements(add, tmp_path):
    for z, echo in product(range(3), (5, 9)):
        add(3 * z, echo, **MR, EchoTime=echo)
    rows = [*inspected(tmp_path, ReadSettings())]
    assert [row.files for row in rows] == [3, 3]
    assert all("one of 2 volumes in its series, split by EchoTime" in row.reading["assumed"] for row in rows)


def test_an_enhanced_file_of_two_echoes_is_refused_with_the_elements_named(dicom, tmp_path):
    groups = []
    for z, echo in product(range(3), (5.0, 9.0)):
        place, echoes, group = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient, echoes.EffectiveEchoTime = [0, 0, 3 * z], echo
        group.PlanePositionSequence, group.MREchoSequence = [place], [echoes]
        groups.append(group)
    turn, measure, shared = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    turn.ImageOrientationPatient, measure.PixelSpacing = [1, 0, 0, 0, 1, 0], [1, 1]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [turn], [measure]
    tags = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": groups}
    dicom(
        "a.dcm", np.zeros((6, 4, 4), np.int16), NumberOfFrames=6, SOPClassUID=pydicom.uid.EnhancedMRImageStorage, **tags
    )
    (row,) = inspected(tmp_path, ReadSettings())
    assert (row.status, row.what) == ("refused", "duplicate-slices")
    assert row.reason.endswith("they differ in EchoTime")
