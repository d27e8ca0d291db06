"""Where a NIfTI or MGH file says that its voxels lie: sform, qform and units; and what becomes of broken ones."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from medad.io import NiftiReader, ReadSettings, UnreadableImage, discover
from medad.types import Study

VOLUME = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
AFFINE = np.array([[0, 0, 2.5, -10], [-0.75, 0, 0, 20], [0, 0.5, 0, 30], [0, 0, 0, 1.0]])  # axes swapped and flipped
NAN = [np.nan] * 12


@pytest.fixture
def nifti(tmp_path):
    """``nifti("a.nii", sform=..., qform_code=..., ...)`` writes AFFINE as both forms, then changes header fields."""

    def write(name="a.nii", *, codes=(1, 1), sform=None, units=None, kind=nib.Nifti1Image, **fields):
        image = kind(VOLUME, AFFINE)
        image.set_sform(AFFINE, code=codes[0])
        image.set_qform(AFFINE, code=codes[1])
        header = image.header.copy()
        if sform is not None:
            for row, values in zip(("srow_x", "srow_y", "srow_z"), np.reshape(sform, (3, 4)), strict=True):
                header[row] = values
        if units is not None:
            header["xyzt_units"] = units
        for field, value in fields.items():
            header[field] = value
        content = header.binaryblock + b"\0" * 4 + VOLUME.tobytes(order="F")
        size = header["sizeof_hdr"]
        content = bytearray(content)
        where = 108 if size == 348 else 168
        content[where : where + (4 if size == 348 else 8)] = (
            np.array(size + 4, "<f4").tobytes() if size == 348 else np.array(size + 4, "<i8").tobytes()
        )
        content[344:348] = b"n+1\0" if size == 348 else content[344:348]
        content[4:12] = b"n+2\0\r\n\x1a\n" if size == 540 else content[4:12]
        path = tmp_path / name
        path.write_bytes(gzip.compress(bytes(content)) if name.endswith("gz") else bytes(content))
        return path

    return write


@pytest.mark.parametrize("broken", [np.zeros(12), NAN, np.ones(12), [*np.eye(4)[:2].ravel(), 0, 0, 0, 3]])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_an_sform_that_cannot_be_inverted_gives_way_to_the_qform(nifti, read, broken, kind, name):
    picture = read(nifti(name, sform=broken, kind=kind))
    whole = read(nifti("b.nii"))
    assert_allclose(picture.affine, whole.affine, atol=1e-4)
    assert_array_equal(picture.array, whole.array)
    assert "the sform cannot be inverted: read by the qform" in picture.reading["assumed"]
    assert picture.reading["orientation_known"] is picture.reading["placed"] is True


def test_an_orientation_that_is_stated_and_broken_is_refused_by_name(nifti, read):
    for tags, named in (
        ({"sform": NAN, "quatern_b": 2, "quatern_c": 2}, "sform and qform"),
        ({"sform": np.zeros(12), "codes": (1, 0)}, "its sform"),
        ({"codes": (0, 1), "quatern_b": np.nan}, "its qform"),
    ):
        with pytest.raises(UnreadableImage, match=f"{named} cannot be inverted") as caught:
            read(nifti(**tags))
        assert caught.value.kind == "corrupt"


def test_a_broken_sform_of_code_0_is_not_looked_at(nifti, read):
    picture = read(nifti(codes=(0, 1), sform=NAN))
    assert_allclose(picture.affine, read(nifti("b.nii")).affine, atol=1e-4)
    assert picture.reading["assumed"] == []


@pytest.mark.parametrize(("code", "factor", "word"), [(3, 1e-3, "micrometers"), (1, 1e3, "meters")])
@pytest.mark.parametrize("time", [0, 8, 16, 24])
def test_units_of_length_become_mm_whatever_the_unit_of_time(nifti, read, code, factor, word, time):
    for codes in ((1, 1), (0, 1), (0, 0)):
        picture = read(nifti("a.nii.gz", codes=codes, units=code | time))
        expected = read(nifti("b.nii", codes=codes, units=2 | time))
        assert_allclose(picture.affine[:3], expected.affine[:3] * factor, rtol=1e-5)
        assert any(f"is {word}: turned into mm" in note for note in picture.reading["assumed"])
        assert not any("unit" in note for note in expected.reading["assumed"])


def test_unknown_units_are_mm(nifti, read):
    assert_allclose(read(nifti(units=0)).affine, read(nifti("b.nii", units=2)).affine)
    odd = read(nifti("c.nii", units=5))
    assert_allclose(odd.affine, read(nifti("b.nii", units=2)).affine)
    assert "its unit of length is unknown: taken as mm" in odd.reading["assumed"]


def test_what_nibabel_mends_is_said_in_the_record_and_not_on_the_terminal(nifti, read, capfd):
    negative = read(nifti("a.nii", pixdim=[1, -0.75, 0.5, 2.5, 1, 1, 1, 1]))
    assert "negative voxel sizes are stated: taken as positive" in negative.reading["assumed"]
    unknown = read(nifti("b.nii", sform_code=100))
    assert any("sform code is none of the standard's" in note for note in unknown.reading["assumed"])
    flipped = read(nifti("c.nii", codes=(0, 1), pixdim=[0, 0.75, 0.5, 2.5, 1, 1, 1, 1]))
    assert flipped.reading["placed"] is True
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.mgh", "a.mgz", "scan"])
def test_mgh_is_the_same_volume_as_nifti(nifti, read, tmp_path, name):
    nib.save(nib.MGHImage(VOLUME, AFFINE), tmp_path / (name if "." in name else "x.mgz"))
    path = (tmp_path / "x.mgz").rename(tmp_path / name) if name == "scan" else tmp_path / name
    picture, expected = read(path), read(nifti())
    assert_array_equal(picture.array, expected.array)
    assert_allclose(picture.affine, expected.affine, atol=1e-4)
    assert picture.reading["format"] == "mgh"
    assert picture.reading["placed"] is True
    studies = [one for one in discover(path) if isinstance(one, Study)]
    assert [study.id for study in studies] == [name]
    assert NiftiReader().read(path).error is None


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
def test_every_type_of_mgh_and_its_frames(read, tmp_path, kind):
    array = np.stack([VOLUME, VOLUME + 100], -1).astype(kind)
    nib.save(nib.MGHImage(array, AFFINE), tmp_path / "a.mgz")
    with pytest.raises(UnreadableImage) as caught:
        read(tmp_path / "a.mgz")
    assert caught.value.kind == "4d"
    studies = [one for one in discover(tmp_path, ReadSettings(time="split")) if isinstance(one, Study)]
    assert [study.id for study in studies] == ["a.mgz", "a.mgz#2"]
    parts = [read(study.files, time="split").array for study in studies]
    assert_array_equal(parts[1] - parts[0], np.full(parts[0].shape, 100))


def test_mgh_without_orientation_is_flagged_and_a_damaged_one_refused(read, tmp_path):
    nib.save(nib.MGHImage(VOLUME, AFFINE), tmp_path / "a.mgh")
    whole = bytearray((tmp_path / "a.mgh").read_bytes())
    whole[28:30] = b"\0\0"
    (tmp_path / "b.mgh").write_bytes(whole)
    picture = read(tmp_path / "b.mgh")
    assert picture.reading["orientation"]["source"] == "LIA"
    assert picture.reading["placed"] is False
    for cut in (len(whole) // 2, 290, 200):
        (tmp_path / "c.mgh").write_bytes(whole[:cut])
        with pytest.raises(UnreadableImage):
            read(tmp_path / "c.mgh")
    claim = whole[:4] + np.array([30000, 30000, 30000, 1], ">i4").tobytes() + whole[20:]
    (tmp_path / "d.mgz").write_bytes(gzip.compress(bytes(claim)))
    with pytest.raises(UnreadableImage) as caught:
        read(tmp_path / "d.mgz")
    assert caught.value.kind == "too-large"


def test_a_header_that_claims_endless_volumes_is_refused(nifti, tmp_path):
    path = nifti("a.nii.gz", dim=[7, 1, 1, 1, 32767, 32767, 4, 1])
    for settings in (ReadSettings(), ReadSettings(time="split")):
        (found,) = discover(path, settings)
        assert isinstance(found, UnreadableImage)
