"""NIfTI: orientation, scaling, what is refused, and the same volume through other routes."""

from __future__ import annotations

import gzip
import time
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.testing import assert_allclose, assert_array_equal

from medad.io import UnreadableImage, discover
from medad.types import Study

AFFINE = np.array([[0.75, 0, 0, -10], [0, 0.5, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])


@pytest.fixture
def ras(volume):
    """(4, 5, 6) in RAS order: x, y, z."""
    return volume.transpose(2, 1, 0).copy()


@pytest.fixture
def nifti(tmp_path):
    def write(name, array, affine=AFFINE, *, codes=(1, 1), kind=nib.Nifti1Image, slope=None):
        image = kind(array, affine)
        image.set_sform(affine, code=codes[0])
        image.set_qform(affine, code=codes[1])
        if slope:
            image.header.set_slope_inter(*slope)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nib.save(image, path)
        return path

    return write


def turned(array, affine, codes):
    """The same volume stored in another axis order, by nibabel."""
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return nib.apply_orientation(array, turn), affine @ inv_ornt_aff(turn, array.shape)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PIR", "SAL"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_orientation_gives_the_same_tensor_and_places(nifti, read, ras, codes, suffix):
    picture = read(nifti(f"a{suffix}", *turned(ras, AFFINE, codes)))
    assert_array_equal(picture.array[0], ras)
    assert_allclose(picture.affine, AFFINE, atol=1e-4)
    assert picture.reading["orientation"] == {"source": codes, "given": "RAS"}
    assert_allclose(picture.original_affine, turned(ras, AFFINE, codes)[1], atol=1e-4)


def test_nifti_and_dicom_of_one_volume_are_equal(nifti, series, read, volume, ras):
    geometry = {"origin": (-7, 11, 5), "step": (0, 0, 2.5), "spacing": (0.5, 0.75)}
    from_dicom = read(series("a", volume, **geometry))
    lps = np.diag([0.75, 0.5, 2.5, 1.0])
    lps[:3, 3] = (-7, 11, 5)
    from_nifti = read(nifti("a.nii.gz", ras, np.diag([-1, -1, 1, 1]) @ lps))
    assert_array_equal(from_nifti.array, from_dicom.array)
    assert_allclose(from_nifti.affine, from_dicom.affine, atol=1e-4)


def test_as_monai_reads_it(nifti, read, ras):
    from monai.data import NibabelReader

    path = nifti("a.nii", *turned(ras, AFFINE, "LPS"))
    reader = NibabelReader(as_closest_canonical=True)
    array, meta = reader.get_data(reader.read(path))
    picture = read(path)
    assert_array_equal(picture.array[0], array)
    assert_allclose(picture.affine, meta["affine"], atol=1e-6)


def test_scaling_is_applied(nifti, read, ras):
    path = nifti("a.nii", ras)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([0.5, -3], "<f4").tobytes()
    path.write_bytes(raw)
    picture = read(path)
    assert_allclose(picture.array[0], ras * 0.5 - 3)
    assert picture.reading["rescale"] == [0.5, -3.0]


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_type_and_nifti2_and_big_endian(nifti, read, ras, kind):
    array = ras.astype(kind)
    for name, image in (("one.nii", nib.Nifti1Image), ("two.nii", nib.Nifti2Image)):
        assert_array_equal(read(nifti(name, array, kind=image)).array[0], array)
    big = nib.Nifti1Image(array, AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(big, path := nifti("big.nii", array).with_name("b.nii"))
    assert_array_equal(read(path).array[0], array)


def test_the_name_says_nothing(nifti, read, ras, tmp_path):
    path = nifti("a.nii.gz", ras)
    other = path.rename(tmp_path / "a.dcm")
    assert_array_equal(read(other).array[0], ras)


def test_a_pair_of_files(read, ras, tmp_path):
    nib.save(nib.Nifti1Pair(ras, AFFINE), tmp_path / "a.hdr")
    assert_array_equal(read(tmp_path / "a.hdr").array[0], ras)
    (study,) = [found for found in discover(tmp_path) if isinstance(found, Study)]
    assert study.id == "a.hdr"
    (tmp_path / "a.img").unlink()
    with pytest.raises(UnreadableImage, match="not beside it"):
        read(tmp_path / "a.hdr")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 1, 1)])
def test_one_slice_is_a_volume_of_depth_one(nifti, read, shape):
    array = np.arange(20, dtype=np.float32).reshape(shape)
    assert_array_equal(read(nifti("a.nii", array)).array[0, ..., 0], array.reshape(4, 5))


def test_4d_is_refused_or_split(nifti, read, ras, tmp_path):
    array = np.stack([ras, ras + 1000, ras + 2000], -1)
    path = nifti("a.nii.gz", array)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "4d"
    assert "split" in caught.value.remedy
    from medad.io import ReadSettings

    studies = list(discover(tmp_path, ReadSettings(time="split")))
    assert [study.id for study in studies] == ["a.nii.gz", "a.nii.gz#2", "a.nii.gz#3"]
    for index, study in enumerate(studies):
        picture = read(study.files, time="split")
        assert_array_equal(picture.array[0], array[..., index])
        assert any(f"volume {index + 1} of 3" in note for note in picture.reading["assumed"])
    with pytest.raises(UnreadableImage, match=r"3 volumes, not 4"):
        read(path.with_name("a.nii.gz#4"), time="split")


def test_code_0_is_flagged(nifti, read, ras):
    flagged = read(nifti("a.nii", ras, codes=(0, 0)))
    assert flagged.reading["orientation_known"] is False
    assert any("left and right may be swapped" in note for note in flagged.reading["assumed"])
    assert flagged.reading["orientation"]["source"] == "LAS"
    assert read(nifti("b.nii", ras)).reading["orientation_known"] is True


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_voxels_are_refused_or_filled(nifti, read, ras, value):
    array = ras.astype(np.float32)
    array[1, 2, 3], array[0, 0, 0] = value, -value
    path = nifti("a.nii", array)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "non-finite"
    filled = read(path, non_finite="fill", fill_value=-1)
    assert filled.array[0, 1, 2, 3] == filled.array[0, 0, 0, 0] == -1
    assert filled.reading["non_finite"] == 2
    assert_array_equal(filled.array[0, 2], array[2])


def test_rgb_voxels_are_three_channels(read, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3)).astype(np.uint8)
    stored = pixels.view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    nib.save(nib.Nifti1Image(stored, AFFINE), tmp_path / "a.nii")
    assert_array_equal(read(tmp_path / "a.nii").array, np.moveaxis(pixels, -1, 0))


def quietly(read, path, **settings):
    start = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(UnreadableImage) as caught:
        read(path, **settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - start < 1
    assert peak < 16 * 1024**2
    return caught.value


def header(shape, **fields):
    made = nib.Nifti1Header()
    made.set_data_dtype(np.uint8)
    made.set_data_shape(shape)
    made["magic"], made["vox_offset"] = b"n+1", 352
    for name, value in fields.items():
        made[name] = value
    return made.binaryblock + b"\0\0\0\0"


def test_a_gzip_bomb_is_refused_before_it_is_inflated(read, tmp_path):
    path = tmp_path / "bomb.nii.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(header((1000, 1000, 300)))
        for _ in range(300):
            stream.write(bytes(1_000_000))
    assert path.stat().st_size < 1_000_000
    assert quietly(read, path).kind == "too-large"
    assert quietly(read, path, max_growth=10**9, max_bytes=10**8).kind == "too-large"


def test_a_kilobyte_that_claims_a_volume(read, tmp_path):
    for name, wrap in (("a.nii", bytes), ("a.nii.gz", gzip.compress)):
        path = tmp_path / name
        path.write_bytes(wrap(header((32767, 32767, 3)) + b"\0" * 500))
        assert quietly(read, path).kind == "too-large"
        path.write_bytes(wrap(header((100, 100, 100)) + b"\0" * 500))
        assert quietly(read, path).kind == "truncated"


@pytest.mark.parametrize("fields", [{"vox_offset": 2e9}, {"vox_offset": np.nan}, {"dim": [9] * 8}, {"datatype": 999}])
def test_headers_that_make_no_sense(read, tmp_path, fields):
    path = tmp_path / "a.nii"
    path.write_bytes(header((2, 2, 2), **fields) + b"\0" * 8)
    assert quietly(read, path).kind == "corrupt"
    (found,) = discover(tmp_path)
    assert isinstance(found, UnreadableImage)


def test_a_flipped_bit_in_a_compressed_file_is_found_by_its_checksum(nifti, read, ras):
    path = nifti("a.nii.gz", np.random.default_rng(0).random(ras.shape))
    whole = bytearray(path.read_bytes())
    whole[-30] ^= 1
    path.write_bytes(whole)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "corrupt"


def test_a_file_cut_anywhere_is_refused(nifti, read, ras):
    for name in ("a.nii", "a.nii.gz"):
        whole = (path := nifti(name, ras)).read_bytes()
        for kept in (len(whole) - 1, len(whole) - 9, len(whole) - 100, 160, 30, 3):
            path.write_bytes(whole[:kept])
            with pytest.raises(UnreadableImage):
                read(path)
