"""Heatmaps on the grid of the source, and thumbnails."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.making import gray_image, write_dicom
from PIL import Image

from medad.config import Settings
from medad.data.preprocessing import Preprocessing
from medad.io.image import Image as Source
from medad.outputs.pictures import LEAST_BAR, Scale
from medad.scoring.core.maps import preview, save_map, save_thumbnail
from medad.types import Study

PREPARE = Preprocessing(Settings(size=16))
SCALE = Scale("rec", 0.25, 1.0)


def prepared(*files: Path) -> tuple[Source, torch.Tensor]:
    source = PREPARE.read(Study("x", files))
    return source, PREPARE.slices(source)


@pytest.mark.parametrize(
    "axes",
    [
        np.diag([1.0, 1.0, 2.0]),
        np.diag([-0.7, 0.7, 3.0]),
        np.array([[0, 0, 2.0], [0.5, 0, 0], [0, -0.5, 0]]),
        np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, -2.0]]),
    ],
    ids=["RAS", "LAS", "sagittal", "oblique"],
)
def test_the_map_of_a_volume_lies_on_the_voxels_of_its_source(tmp_path: Path, axes: np.ndarray) -> None:
    """Where the source is bright, its map is: the network is stood for by the image itself."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, (10.5, -20.25, 30)
    volume = np.zeros((32, 48, 20), np.float32)
    volume[18:26, 8:20, 4:8] = 100
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "scan.nii")
    source, image = prepared(tmp_path / "scan.nii")
    name = save_map(tmp_path, "scan", source, image, 0, SCALE)
    found = nib.load(tmp_path / name.replace(".png", ".nii.gz"))
    np.testing.assert_array_equal(found.affine, nib.load(tmp_path / "scan.nii").affine)
    assert found.shape == volume.shape
    assert found.get_data_dtype() == np.float32
    assert np.corrcoef(found.get_fdata().ravel(), volume.ravel())[0, 1] > 0.8
    hottest = np.unravel_index(found.get_fdata().argmax(), found.shape)
    assert volume[hottest] == 100


def test_the_map_of_a_dicom_series_lies_where_nibabel_would_put_its_slices(tmp_path: Path) -> None:
    files = []
    for place in range(4):
        position = {"ImagePositionPatient": [-5.0, 7.0, 3.0 * place], "PixelSpacing": [0.5, 0.25]}
        uids = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
        image = gray_image(np.random.default_rng(place), side=24)
        files.append(write_dicom(tmp_path / f"{place}", image, **position, **uids))
    source, image = prepared(*files)
    name = save_map(tmp_path, "series", source, image, 1, SCALE)
    found = nib.load(tmp_path / name.replace(".png", ".nii.gz"))
    first = np.array([5.0, -7.0, 0.0, 1.0])  # ImagePositionPatient, from LPS to RAS
    np.testing.assert_allclose(found.affine @ [0, 0, 0, 1], first, atol=1e-5)
    np.testing.assert_allclose(found.affine[:3, :3], np.diag([-0.25, -0.5, 3.0]), atol=1e-5)


def test_a_heatmap_has_one_color_scale_whatever_its_own_top(tmp_path: Path) -> None:
    write_dicom(tmp_path / "IM1", gray_image(np.random.default_rng(0), side=30)[:, :20].copy())
    source, _ = prepared(tmp_path / "IM1")
    pictures = []
    for level in (-3.0, 0.25, 0.5, 1.0, 7.0):
        name = save_map(tmp_path, f"id{level}", source, torch.full((1, 1, 16, 16), level), 0, SCALE)
        with Image.open(tmp_path / name) as picture:
            pictures.append(np.asarray(picture))
    below, plain, half, full, beyond = pictures
    assert plain.shape == (50, LEAST_BAR, 3), "below the image is the color bar"
    np.testing.assert_array_equal(plain[:30, :20], plain[:30, 20:40])
    np.testing.assert_array_equal(plain, below)
    np.testing.assert_array_equal(full, beyond)
    assert (half[:30, 20:40] != full[:30, 20:40]).mean() > 0.5
    np.testing.assert_array_equal(half[30:], full[30:])
    assert not list(tmp_path.rglob("*part*"))
    assert not list(tmp_path.rglob("*.nii.gz"))


def test_names_tell_nothing_and_are_the_same_each_time(tmp_path: Path) -> None:
    write_dicom(tmp_path / "IM1", gray_image(np.random.default_rng(1)))
    source, _ = prepared(tmp_path / "IM1")
    one = save_map(tmp_path, "DOE^JANE/IM1", source, torch.rand(1, 1, 16, 16), 0, SCALE)
    first = (tmp_path / one).read_bytes()
    assert "DOE" not in one
    two = save_map(tmp_path, "DOE^JANE/IM1", source, torch.rand(1, 1, 16, 16), 0, SCALE)
    assert one == two
    assert (tmp_path / two).read_bytes() != first
    assert one != save_map(tmp_path, "DOE^JANE/IM2", source, torch.rand(1, 1, 16, 16), 0, SCALE)


def test_a_thumbnail_shows_the_image_and_where_the_map_is(tmp_path: Path) -> None:
    pixels = np.zeros((400, 600), np.float32)
    pixels[:, 300:] = 3000
    source = Source(torch.from_numpy(pixels.T[None].copy()))
    small = preview(source, PREPARE.slices(source))
    assert small.shape == (1, 128, 192)
    assert small.dtype == torch.uint8
    heat = torch.zeros(1, 16, 16)
    heat[:, :4, :4] = 1
    with Image.open(tmp_path / save_thumbnail(tmp_path, "x", small[0], heat, SCALE)) as picture:
        assert picture.size == (384, 148)
        shown = np.asarray(picture).astype(int)[:128]
    assert abs(shown[60, 20] - 0).max() < 12
    assert abs(shown[60, 170] - 255).max() < 12
    warm = shown[:, 192:, 0] - shown[:, 192:, 2]
    assert warm[:20, :20].mean() > 50
    assert abs(warm[60:, 60:]).mean() < 5


def test_the_preview_of_a_volume_has_its_slices(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.random.default_rng(2).random((20, 30, 5), np.float32), np.eye(4)), tmp_path / "v.nii")
    source, image = prepared(tmp_path / "v.nii")
    assert preview(source, image).shape == (5, 16, 16)


def test_a_volume_names_its_map_and_holds_the_ends_of_its_scale(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.random.default_rng(2).random((20, 30, 5), np.float32), np.eye(4)), tmp_path / "v.nii")
    source, image = prepared(tmp_path / "v.nii")
    name = save_map(tmp_path, "v", source, image, 0, Scale("r_dual", 0.125, 0.75))
    header = nib.load(tmp_path / name.replace(".png", ".nii.gz")).header
    assert b"r_dual" in bytes(header["descrip"])
    assert (float(header["cal_min"]), float(header["cal_max"])) == (0.125, 0.75)


def test_the_bar_says_which_map_and_which_values(tmp_path: Path) -> None:
    """Another name or other numbers are other bars; a small slice is enlarged until its bar fits."""
    bars = []
    for scale in (SCALE, Scale("inter", 0.25, 1.0), Scale("rec", 0.5, 1.0), Scale("rec", 0.25, 3.0)):
        path = save_thumbnail(
            tmp_path, scale.name, torch.zeros(64, 64, dtype=torch.uint8), torch.zeros(1, 16, 16), scale
        )
        with Image.open(tmp_path / path) as picture:
            assert picture.size == (256, 128 + 20)
            bars.append(np.asarray(picture)[-20:].tobytes())
    assert len(set(bars)) == 4
    explained = Scale("rec", 0.25, 1.0, "normals' 99.5th percentile")
    path = save_thumbnail(tmp_path, "x", torch.zeros(64, 64, dtype=torch.uint8), torch.zeros(1, 16, 16), explained)
    with Image.open(tmp_path / path) as picture:
        assert picture.size == (256, 128 + 20 + 16)  # a line more
        assert np.asarray(picture)[-16:].max() > 100
