"""NRRD and MetaImage."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from numpy.testing import assert_allclose, assert_array_equal

from medad.io import UnreadableImage


@pytest.fixture
def save(tmp_path):
    def write(name, array, *, vector=False, compress=False, direction=None):
        image = sitk.GetImageFromArray(array, isVector=vector)
        size = image.GetDimension()
        image.SetSpacing([0.75, 0.5, 2.5, 1][:size])
        image.SetOrigin([-7, 11, 5, 0][:size])
        if direction is not None:
            image.SetDirection(np.asarray(direction, float).ravel())
        sitk.WriteImage(image, str(tmp_path / name), compress)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("compress", [False, True])
def test_the_same_volume_as_from_dicom(save, series, read, volume, name, compress):
    from_dicom = read(series("s", volume, origin=(-7, 11, 5), step=(0, 0, 2.5), spacing=(0.5, 0.75)))
    picture = read(save(name, volume, compress=compress))
    assert_array_equal(picture.array, from_dicom.array)
    assert_allclose(picture.affine, from_dicom.affine, atol=1e-4)
    assert picture.reading["format"] == "itk"


def test_a_turned_volume_has_its_voxels_where_itk_says(save, read, volume):
    path = save("a.nrrd", volume, direction=[[0, 0, 1], [1, 0, 0], [0, -1, 0]])
    picture, image = read(path), sitk.ReadImage(str(path))
    for index in ((0, 0, 0), (3, 1, 2), (1, 4, 5)):
        place = np.array(image.TransformIndexToPhysicalPoint(index)) * (-1, -1, 1)
        back = np.rint(np.linalg.inv(picture.affine) @ (*place, 1)).astype(int)[:3]
        assert picture.array[(0, *back)] == image[index]
        assert_allclose((picture.affine @ (*back, 1))[:3], place, atol=1e-4)


def test_two_dimensions_and_components(save, read, volume):
    flat = read(save("a.mha", volume[0]))
    assert_array_equal(flat.array[0], volume[0].T)
    color = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    assert_array_equal(read(save("b.nrrd", color, vector=True)).array, color.transpose(2, 1, 0))


def test_what_is_refused(save, read, volume, tmp_path):
    with pytest.raises(UnreadableImage, match="4-D"):
        read(save("a.nrrd", np.stack([volume, volume]), vector=False))
    path = save("b.mha", volume.astype(np.float32))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "truncated"
    wrong = volume.astype(np.float32)
    wrong[0, 0, 0] = np.nan
    with pytest.raises(UnreadableImage, match="NaN"):
        read(save("c.nrrd", wrong))


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.raw", "LIST", "slice%03d.raw 1 6 1", "missing.raw"])
def test_a_header_cannot_point_outside_its_folder(save, read, volume, tmp_path, name):
    path = save("a.mhd", volume)
    path.write_text(path.read_text().replace("a.raw", name))
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind in ("unsupported-layout", "missing")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd"])
def test_a_claim_beyond_its_file_is_refused(save, read, volume, name):
    path = save(name, volume)
    raw = path.read_bytes()
    for old, size in ((b"DimSize = 4 5 6", b"DimSize = 40000 50000 600"), (b"sizes: 4 5 6", b"sizes: 40000 50000 600")):
        raw = raw.replace(old, size)
    path.write_bytes(raw)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "too-large"
