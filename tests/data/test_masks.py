"""Masks are laid on their images in space: the same pixels are marked however the two are stored, or it is a defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
import torch
from helpers.making import write_dicom
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform
from numpy.testing import assert_array_equal
from PIL import Image
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.config import Settings
from medad.data.check.check import Checked, check
from medad.data.check.targets import subjects
from medad.data.loading import Loader, UnreadableStudies
from medad.io import ReadSettings, read_picture
from medad.io.masks import MaskMismatch, grid_of, read_mask
from medad.manifest.sources import Volume, slices_of
from medad.types import Study

SHAPE = (20, 24, 12)
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2, 0, -30], [0, 0, 3, 10], [0, 0, 0, 1]])
MARKED = np.zeros(SHAPE, bool)
MARKED[4:9, 10:16, 5:8] = True
RNG = np.random.default_rng(0)


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE, codes: int = 1) -> Path:
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=codes)
    image.set_qform(affine, code=codes)
    nib.save(image, path)
    return path


def turned(array: np.ndarray, affine: np.ndarray, codes: str) -> tuple[np.ndarray, np.ndarray]:
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return nib.apply_orientation(array, turn), affine @ inv_ornt_aff(turn, array.shape)


def moved(*mm: float) -> np.ndarray:
    shift = np.eye(4)
    shift[:3, 3] = mm
    return shift @ AFFINE


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return save(tmp_path / "image.nii.gz", RNG.random(SHAPE).astype(np.float32))


def laid(mask: Path, image: Path) -> tuple[np.ndarray, bool]:
    return read_mask(mask, grid_of(read_picture(image, ReadSettings())))


def refused(mask: Path, image: Path) -> str:
    with pytest.raises(MaskMismatch) as caught:
        laid(mask, image)
    assert mask.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("of_image", ["RAS", "LPS", "PIR"])
@pytest.mark.parametrize("of_mask", ["RAS", "LPS", "SAL", "LAS"])
def test_any_order_of_axes_marks_the_same_places(tmp_path: Path, of_image: str, of_mask: str) -> None:
    where = save(tmp_path / "i.nii", *turned(RNG.random(SHAPE).astype(np.float32), AFFINE, of_image))
    mask = save(tmp_path / "m.nii", *turned(MARKED.astype(np.uint8), AFFINE, of_mask))
    marked, resampled = laid(mask, where)
    assert_array_equal(marked, MARKED)
    assert not resampled


def test_an_origin_that_is_off_is_named_in_mm(tmp_path: Path, image: Path) -> None:
    said = refused(save(tmp_path / "m.nii", MARKED.astype(np.uint8), moved(20, 0, 0)), image)
    assert "has the size of its image, but its origin lies 20.0 mm from its image's" in said
    assert "6.0 mm" in refused(save(tmp_path / "n.nii", MARKED.astype(np.uint8), moved(0, 0, 6)), image)
    far = refused(save(tmp_path / "o.nii", MARKED[:10].astype(np.uint8), moved(500, 0, 0)), image)
    assert "overlaps its image by 0%" in far


def test_less_than_half_a_voxel_is_rounding(tmp_path: Path, image: Path) -> None:
    for shift in ((0.9, -0.9, 1.4), (1e-4, 0, 0)):
        marked, resampled = laid(save(tmp_path / "m.nii", MARKED.astype(np.uint8), moved(*shift)), image)
        assert_array_equal(marked, MARKED)
        assert not resampled


def test_a_mask_without_its_images_geometry_is_named(tmp_path: Path, image: Path) -> None:
    said = refused(save(tmp_path / "m.nii", MARKED.astype(np.uint8), np.eye(4)), image)
    assert "its voxels are 1 x 1 x 1 mm and its image's 2 x 2 x 3 mm" in said
    angle = np.deg2rad(30)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert "turned by 30 degrees" in refused(save(tmp_path / "n.nii", MARKED.astype(np.uint8), turn @ AFFINE), image)


def test_another_grid_that_overlaps_is_resampled(tmp_path: Path, image: Path) -> None:
    """Finer voxels, and only the part around the lesion: the same voxels of the image are marked."""
    fine = MARKED.repeat(2, 0).repeat(2, 1).repeat(3, 2).astype(np.uint8)
    affine = AFFINE @ np.diag([0.5, 0.5, 1 / 3, 1])
    affine[:3, 3] = (AFFINE @ [-0.25, -0.25, -1 / 3, 1])[:3]
    marked, resampled = laid(save(tmp_path / "fine.nii", fine, affine), image)
    assert_array_equal(marked, MARKED)
    assert resampled
    cut = AFFINE.copy()
    cut[:3, 3] = (AFFINE @ [3, 9, 4, 1])[:3]
    marked, resampled = laid(save(tmp_path / "cut.nii", MARKED[3:10, 9:17, 4:9].astype(np.uint8), cut), image)
    assert_array_equal(marked, MARKED)
    assert resampled
    larger = np.zeros((40, 40, 20), np.uint8)
    larger[10:30, 8:32, 4:16] = MARKED
    place = AFFINE.copy()
    place[:3, 3] = (AFFINE @ [-10, -8, -4, 1])[:3]
    assert_array_equal(laid(save(tmp_path / "larger.nii", larger, place), image)[0], MARKED)


def test_marks_that_all_lie_outside_are_a_defect(tmp_path: Path, image: Path) -> None:
    larger = np.zeros((40, 24, 12), np.uint8)
    larger[30:35, 3:6, 3:6] = 1
    assert "marks nothing within its image" in refused(save(tmp_path / "m.nii", larger), image)
    assert not laid(save(tmp_path / "empty.nii", np.zeros((40, 24, 12), np.uint8)), image)[0].any()


def test_without_a_stated_place_pixels_correspond_as_they_are_stored(tmp_path: Path, image: Path) -> None:
    """A mask of code 0 would be read as LAS: it must not be mirrored against its image."""
    mask = save(tmp_path / "m.nii", MARKED.astype(np.uint8), np.eye(4), codes=0)
    assert_array_equal(laid(mask, image)[0], MARKED)
    flipped = save(tmp_path / "i.nii", *turned(RNG.random(SHAPE).astype(np.float32), AFFINE, "LPS"))
    stored = save(tmp_path / "n.nii", turned(MARKED, AFFINE, "LPS")[0].astype(np.uint8), np.eye(4), codes=0)
    assert_array_equal(laid(stored, flipped)[0], MARKED)
    assert "pixels and its image" in refused(save(tmp_path / "o.nii", MARKED[1:].astype(np.uint8), codes=0), image)


def test_dicom_slices_and_masks_of_other_formats(tmp_path: Path) -> None:
    """A DICOM series, whose slices are LPS, with a NIfTI mask in RAS and an NRRD mask in LPS."""
    ras = np.diag([-1.0, -1, 1, 1]) @ np.diag([1.0, 1, 2, 1])  # columns to the left, rows to posterior
    files = [
        write_dicom(
            tmp_path / f"{number}.dcm",
            RNG.integers(0, 200, (24, 20)),
            ImagePositionPatient=[0, 0, 2 * number],
            SliceThickness=2,
            SeriesInstanceUID="1.2.3",
        )
        for number in range(12)
    ]
    picture = read_picture(files, ReadSettings())
    assert picture.reading["placed"] is True
    stored = np.zeros(SHAPE, np.uint8)
    stored[4:9, 10:16, 5:8] = 1  # as stored: column, row, slice
    nifti = save(tmp_path / "m.nii", *turned(stored[::-1, ::-1], ras @ inv_flip(SHAPE), "RAS"))
    marked = stored[::-1, ::-1].astype(bool)
    assert_array_equal(read_mask(nifti, grid_of(picture))[0], marked)
    nrrd = sitk.GetImageFromArray(stored.transpose(2, 1, 0))
    nrrd.SetSpacing((1, 1, 2))
    sitk.WriteImage(nrrd, str(tmp_path / "m.nrrd"))
    assert_array_equal(read_mask(tmp_path / "m.nrrd", grid_of(picture))[0], marked)
    one = read_picture(files[6], ReadSettings())  # a single slice, two-dimensional, as acquired
    assert_array_equal(read_mask(nifti, grid_of(one))[0], stored[..., 6].astype(bool))
    assert not read_mask(nifti, grid_of(read_picture(files[1], ReadSettings())))[0].any()


def inv_flip(shape: tuple[int, ...]) -> np.ndarray:
    """The affine of an array that was flipped along its first two axes."""
    flip = np.diag([-1.0, -1, 1, 1])
    flip[:2, 3] = shape[0] - 1, shape[1] - 1
    return flip


def test_raster_masks_fit_by_their_size(tmp_path: Path) -> None:
    Image.fromarray(RNG.integers(0, 255, (9, 7)).astype(np.uint8)).save(tmp_path / "i.png")
    Image.fromarray(np.pad(np.full((2, 3), 255, np.uint8), ((3, 4), (2, 2)))).save(tmp_path / "m.png")
    marked, resampled = laid(tmp_path / "m.png", tmp_path / "i.png")
    assert marked.sum() == 6
    assert not resampled
    Image.new("L", (9, 7)).save(tmp_path / "n.png")
    assert "has 9 x 7 pixels and its image 7 x 9" in refused(tmp_path / "n.png", tmp_path / "i.png")


@pytest.fixture
def ward(tmp_path: Path) -> Callable[..., Path]:
    """``ward(mask)`` writes a manifest of volumes, of which two abnormal ones have masks, the second one ``mask``."""
    for number in range(8):
        save(tmp_path / f"{number}.nii", RNG.random(SHAPE).astype(np.float32))
    save(tmp_path / "good.nii", MARKED.astype(np.uint8))

    def write(mask: str) -> Path:
        rows = [f"{number}.nii,normal,,{number}," for number in range(4)]
        rows += ["4.nii,test,0,4,", "5.nii,test,0,5,", "6.nii,test,1,6,good.nii", f"7.nii,test,1,7,{mask}"]
        (tmp_path / "ward.csv").write_text("\n".join(["file,role,label,patient,mask", *rows]) + "\n")
        return tmp_path / "ward.csv"

    return write


def checked(path: Path) -> Checked:
    (subject,) = subjects(path)
    return check(subject, 1)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*(str(one) for one in arguments), "--no-tracking"])


DEFECTS = {
    "shifted": (MARKED, moved(20, 0, 0), "20.0 mm"),
    "away": (MARKED[:10], moved(900, 0, 0), "overlaps its image by 0%"),
    "bare": (MARKED, np.eye(4), "its voxels are"),
    "outside": (np.pad(np.zeros(SHAPE, bool), ((0, 9), (0, 0), (0, 0))), AFFINE, "marks nothing"),
    "fourth": (np.stack([MARKED, MARKED], -1), AFFINE, "2 volumes"),
    "nan": (np.where(MARKED, np.nan, 0), AFFINE, "NaN"),
}


def test_evaluate_refuses_what_check_calls_a_defect(ward: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "pca.yaml").write_text("methods: [pca]\nsettings: {components: 2, size: 16}\n")
    trained = run("train", tmp_path / "pca.yaml", "--data", ward("good.nii"), "--out", tmp_path / "m")
    assert trained.exit_code == 0, trained.output

    def evaluate(name: str) -> tuple[int, str]:
        done = run(
            "evaluate", tmp_path / "m" / "model", "--data", tmp_path / "ward.csv", "--out", tmp_path / f"out-{name}"
        )
        return done.exit_code, f"{done.output} {done.exception}"

    assert checked(ward("good.nii")).defects == []
    assert evaluate("good")[0] == 0
    for name, (array, affine, word) in DEFECTS.items():
        array = array.astype(np.float32)
        if name == "outside":
            array[25:] = 1
        save(tmp_path / f"{name}.nii", array, affine)
        (defect,) = checked(ward(f"{name}.nii")).defects
        assert word in defect
        code, output = evaluate(name)
        assert code != 0
        assert f"{name}.nii" in output
        assert word in output
    (tmp_path / "broken.nii").write_bytes((tmp_path / "good.nii").read_bytes()[:900])
    assert "mask: cannot read broken.nii" in checked(ward("broken.nii")).defects[0]
    assert evaluate("broken")[0] != 0


def test_the_loader_gives_the_mask_on_the_networks_grid(tmp_path: Path, image: Path) -> None:
    """A resampled mask, and one in another order of axes, are the same tensor as the mask on the image's own grid."""
    save(tmp_path / "a.nii", MARKED.astype(np.uint8))
    save(tmp_path / "b.nii", *turned(MARKED.astype(np.uint8), AFFINE, "LPS"))
    cut = AFFINE.copy()
    cut[:3, 3] = (AFFINE @ [3, 9, 4, 1])[:3]
    save(tmp_path / "c.nii", MARKED[3:10, 9:17, 4:9].astype(np.uint8), cut)
    loader = Loader(Settings(size=20))
    masks = [loader.mask(Study(name, (image,), label=1, mask=tmp_path / f"{name}.nii")) for name in "abc"]
    assert masks[0] is not None
    assert masks[0].sum() > 0
    for mask in masks[1:]:
        assert mask is not None
        assert torch.equal(mask, masks[0])
    save(tmp_path / "d.nii", MARKED.astype(np.uint8), moved(20, 0, 0))
    with pytest.raises(UnreadableStudies, match=r"20\.0 mm"):
        loader([Study("d", (image,), label=1, mask=tmp_path / "d.nii")])
    assert loader([Study("d", (image,))]).shape == (12, 1, 20, 20)


def test_a_resampled_mask_is_a_note_and_slices_are_cut_by_its_place(tmp_path: Path, image: Path) -> None:
    cut = AFFINE.copy()
    cut[:3, 3] = (AFFINE @ [3, 9, 4, 1])[:3]
    save(tmp_path / "cut.nii", MARKED[3:10, 9:17, 4:9].astype(np.uint8), cut)
    (tmp_path / "t.csv").write_text("file,role,label,mask\nimage.nii.gz,test,1,cut.nii\n")
    found = checked(tmp_path / "t.csv")
    assert found.defects == []
    assert any("1 masks lie on another grid" in note for note in found.notes)
    cells = {"file": "image.nii.gz", "mask": "cut.nii", "label": "1"}
    rows = slices_of(Volume(image, cells, tmp_path / "cut.nii"))
    assert isinstance(rows, list)
    assert [row["label"] for row in rows] == ["1" if MARKED[..., index].any() else "0" for index in range(12)]
    assert {row["mask"] for row in rows if row["label"] == "1"} == {"cut.nii"}  # "#z" would be a slice of its own grid
    one = read_mask(tmp_path / "cut.nii", grid_of(read_picture(f"{image}#z6", ReadSettings())))[0]
    assert_array_equal(one, MARKED[::-1, ::-1, 5])
