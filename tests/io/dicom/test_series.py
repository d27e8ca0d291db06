"""Slices to volumes: order, affine, and everything that must be split or refused."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medad.io import UnreadableImage, discover
from medad.types import Skipped, Study


def world(index, origin, across, down, step, spacing):
    """RAS mm of pixel (column, row, slice), by the equation of DICOM PS3.3 C.7.6.2.1.1; spacing is (rows, columns)."""
    column, row, number = index
    lps = np.asarray(origin, float)
    lps = (
        lps + np.asarray(across) * spacing[1] * column + np.asarray(down) * spacing[0] * row + np.asarray(step) * number
    )
    return lps * (-1, -1, 1)


def oblique(degrees=(20, -35, 50)):
    """Two orthonormal vectors and their normal, turned about all three axes."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, two = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[one, one] = step[two, two] = np.cos(angle)
        step[one, two], step[two, one] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return turn[:, 0], turn[:, 1], turn[:, 2]


def check_every_voxel(picture, volume, **geometry):
    """Each voxel of ``volume`` (N, H, W), whose values are all different, must lie where DICOM says."""
    assert picture.array.dtype == np.float32
    assert sorted(picture.array.shape[1:]) == sorted(volume.shape)
    for value in np.unique(volume):
        number, row, column = np.argwhere(volume == value)[0]
        place = np.argwhere(picture.array[0] == value)
        assert len(place) == 1
        found = picture.affine @ np.append(place[0], 1)
        assert_allclose(found[:3], world((column, row, number), **geometry), atol=1e-4)


@pytest.mark.parametrize("direction", [1, -1])
def test_slices_are_sorted_by_position_not_by_number_or_name(series, read, volume, direction):
    geometry = {"origin": (-10, 20, 30), "across": (1, 0, 0), "down": (0, 1, 0), "step": (0, 0, 2.5 * direction)}
    picture = read(series("a", volume, **geometry, spacing=(0.5, 0.75)))
    check_every_voxel(picture, volume, **geometry, spacing=(0.5, 0.75))
    assert np.diag(picture.affine)[:3].min() > 0
    assert picture.reading["orientation"]["given"] == "RAS"


def test_missing_instance_numbers_change_nothing(series, read, volume):
    with_numbers, without = read(series("a", volume)), read(series("b", volume, InstanceNumber=None))
    assert_array_equal(with_numbers.array, without.array)
    assert_array_equal(with_numbers.affine, without.affine)


def test_the_order_of_the_given_files_changes_nothing(series, read, volume):
    files = series("a", volume)
    assert_array_equal(read(files).array, read(files[::-1]).array)


def test_an_oblique_acquisition(series, read, volume):
    across, down, normal = oblique()
    geometry = {"origin": (-100.5, 80.25, -60), "across": across, "down": down, "step": normal * 3.3}
    picture = read(series("a", volume, **geometry, spacing=(0.5, 0.75)))
    check_every_voxel(picture, volume, **geometry, spacing=(0.5, 0.75))


def test_a_tilted_gantry_keeps_its_shear_and_says_so(series, read, volume):
    geometry = {"origin": (0, 0, 0), "across": (1, 0, 0), "down": (0, 1, 0), "step": (0, 0.8, 2.5)}
    picture = read(series("a", volume, **geometry, spacing=(0.5, 0.75)))
    check_every_voxel(picture, volume, **geometry, spacing=(0.5, 0.75))
    assert any("sheared" in note for note in picture.reading["assumed"])


def test_rescale_of_each_slice_is_its_own(dicom, series, read, volume):
    files = series("a", volume)
    for number, path in enumerate(sorted(files)):
        image = pydicom.dcmread(path)
        image.RescaleSlope, image.RescaleIntercept = number + 1, -number
        image.save_as(path)
    picture = read(files)
    order = np.random.default_rng(1).permutation(len(volume))
    for name, index in enumerate(order):
        at = round(float((np.linalg.inv(picture.affine) @ (0, 0, 2.5 * index, 1))[2]))
        expected = volume[index].astype(float) * (name + 1) - name
        assert_array_equal(np.sort(picture.array[0, :, :, at], axis=None), np.sort(expected, axis=None))
    assert picture.reading["per_frame"] is True


@pytest.mark.parametrize(
    ("places", "kind"),
    [
        ([0, 1, 2, 4, 5, 6], "missing-slices"),
        ([0, 1, 2, 2, 3, 4], "duplicate-slices"),
        ([0, 1, 2.3, 3, 4, 5], "uneven-spacing"),
        ([0, 1, 2.02, 3, 4, 5], None),
    ],
)
def test_gaps_doubles_and_uneven_spacing_are_refused(series, read, volume, places, kind):
    files = series("a", volume, places=places)
    if kind is None:
        assert read(files).array.shape == (1, 4, 5, 6)
        return
    with pytest.raises(UnreadableImage) as caught:
        read(files)
    assert caught.value.kind == kind


def test_files_of_two_series_are_refused_and_a_folder_of_both_is_two_studies(series, read, volume, tmp_path):
    one = series("a", volume, SeriesInstanceUID="1.1")
    two = series("b", volume + 1000, SeriesInstanceUID="1.2", origin=(0, 0, 1))
    for path in two:
        path.rename(tmp_path / "a" / f"x{path.name}")
    with pytest.raises(UnreadableImage, match="not one series"):
        read(sorted((tmp_path / "a").iterdir()))
    studies = [found for found in discover(tmp_path) if isinstance(found, Study)]
    assert [len(study.files) for study in studies] == [6, 6]
    values = [set(np.unique(read(study.files).array)) for study in studies]
    assert values == [set(np.unique(volume)), set(np.unique(volume + 1000))]
    assert one[0].parent == tmp_path / "a"


def test_a_series_over_two_folders_is_one_study_in_position_order(series, read, volume, tmp_path):
    files = series("a", volume)
    (tmp_path / "z").mkdir()
    for path in files[:3]:
        path.rename(tmp_path / "z" / path.name)
    (study,) = discover(tmp_path)
    assert len(study.files) == 6
    heights = [pydicom.dcmread(path).ImagePositionPatient[2] for path in study.files]
    assert heights == sorted(heights)
    assert study.id == study.files[0].relative_to(tmp_path).as_posix()


def test_localizers_and_mixed_orientations_are_split_off(series, read, volume, tmp_path):
    series("a", volume)
    series("a/loc", volume[:2], across=(0, 1, 0), down=(0, 0, -1), step=(4, 0, 0))
    series("a/scout", volume[:1], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    studies = [found for found in discover(tmp_path) if isinstance(found, Study)]
    assert sorted(len(study.files) for study in studies) == [1, 2, 6]
    everything = [path for study in studies for path in study.files]
    with pytest.raises(UnreadableImage) as caught:
        read(everything)
    assert caught.value.kind == "mixed-orientations"


def test_two_echoes_at_the_same_places_are_two_studies(series, read, volume, tmp_path):
    series("a", volume, EchoTime=10)
    series("b", volume + 1000, EchoTime=80)
    studies = list(discover(tmp_path))
    assert [len(study.files) for study in studies] == [6, 6]
    assert [float(read(study.files).array.min()) for study in studies] == [0, 1000]


def test_places_that_nothing_tells_apart_stay_one_study_that_is_refused_on_reading(series, read, volume, tmp_path):
    series("a", volume)
    series("b", volume + 1000)
    (study,) = discover(tmp_path)
    assert len(study.files) == 12
    with pytest.raises(UnreadableImage) as caught:
        read(study.files)
    assert caught.value.kind == "duplicate-slices"


def test_a_copied_instance_is_skipped_and_said(series, volume, tmp_path):
    files = series("a", volume)
    (tmp_path / "a" / "copy.dcm").write_bytes(files[0].read_bytes())
    found = list(discover(tmp_path))
    assert [item.kind for item in found if isinstance(item, Skipped)] == ["duplicate"]
    assert [len(item.files) for item in found if isinstance(item, Study)] == [6]


def frame_group(position, slope):
    """One item of the per-frame functional groups."""
    place, values, item = Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = list(position)
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, -5, "US"
    item.PlanePositionSequence = Sequence([place])
    item.PixelValueTransformationSequence = Sequence([values])
    return item


def enhanced(dicom, volume, positions, slopes):
    """An enhanced multi-frame file: orientation and spacing shared, position and rescale per frame."""
    turn, measure, shared = Dataset(), Dataset(), Dataset()
    turn.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measure.PixelSpacing, measure.SliceThickness = [0.5, 0.75], 2.5
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([turn]), Sequence([measure])
    groups = Sequence([frame_group(p, s) for p, s in zip(positions, slopes, strict=True)])
    return dicom("e.dcm", volume, NumberOfFrames=len(volume), SharedFunctionalGroupsSequence=Sequence([shared]),
                 PerFrameFunctionalGroupsSequence=groups)  # fmt: skip


def test_enhanced_multiframe_takes_position_and_rescale_from_each_frame(dicom, read, volume):
    heights, slopes = [3, 0, 5, 1, 4, 2], [1, 2, 3, 4, 5, 6]
    picture = read(enhanced(dicom, volume, [(0, 0, 2.5 * h) for h in heights], slopes))
    assert picture.array.shape == (1, 4, 5, 6)
    for frame, (height, slope) in enumerate(zip(heights, slopes, strict=True)):
        expected = volume[frame].astype(float) * slope - 5
        assert_array_equal(picture.array[0, ::-1, ::-1, height].T, expected)
    expected = np.array([[0.75, 0, 0, -2.25], [0, 0.5, 0, -2], [0, 0, 2.5, 0], [0, 0, 0, 1]])
    assert_allclose(picture.affine, expected, atol=1e-9)
    assert picture.reading["per_frame"] is True


def test_enhanced_frames_at_one_place_are_refused(dicom, read, volume):
    with pytest.raises(UnreadableImage) as caught:
        read(enhanced(dicom, volume, [(0, 0, h // 2) for h in range(6)], [1] * 6))
    assert caught.value.kind == "duplicate-slices"


def test_classic_multiframe_keeps_its_order_and_says_that_it_has_no_places(dicom, read, volume):
    picture = read(dicom("m.dcm", volume, NumberOfFrames=6, Modality="US", PixelSpacing=[0.5, 0.75]))
    assert_array_equal(picture.array[0], volume.transpose(2, 1, 0))
    assert_array_equal(picture.affine, np.diag([0.75, 0.5, 1, 1]))
    assert any("frames without positions" in note for note in picture.reading["assumed"])


def test_one_instance_is_a_flat_image_as_acquired_with_its_affine(series, read, volume):
    across, down, normal = oblique()
    (path,) = series("a", volume[:1], origin=(1, 2, 3), across=across, down=down)
    picture = read(path)
    assert_array_equal(picture.array[0], volume[0].T)
    found = picture.affine @ (3, 2, 0, 1)
    assert_allclose(found[:3], world((3, 2, 0), (1, 2, 3), across, down, normal, (0.5, 0.75)), atol=1e-4)
