"""Geometry there and back, and intensities, against arithmetic and Pillow."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.making import gray_image, write_dicom
from monai.data import MetaTensor
from PIL import Image

from medad.config import ConfigError, Settings, build
from medad.data.loading import Loader, UnreadableStudies
from medad.data.study_reading import Prepare
from medad.data.transforms import (
    PRESETS,
    DisplayAxes,
    ResizePlane,
    as_slices,
    geometry,
    restore,
    to_network,
)
from medad.io import read_image
from medad.types import Study


def volume(shape: tuple[int, ...] = (30, 20, 3), seed: int = 0) -> MetaTensor:
    affine = torch.tensor([[1.5, 0, 0, -10], [0, 2.0, 0, 5], [0, 0, 3.0, 7], [0, 0, 0, 1]], dtype=torch.float64)
    pixels = torch.rand(1, *shape, generator=torch.Generator().manual_seed(seed))
    return MetaTensor(pixels, affine=affine, meta={"filename_or_obj": "x"})


def test_display_axes_of_a_volume_are_posterior_left_and_slices() -> None:
    source = volume()
    shown = DisplayAxes()(source)
    assert shown.shape == (1, 20, 30, 3)
    # RAS x grows to the right and y to anterior; shown rows go to posterior and columns to the left.
    assert torch.equal(shown.as_tensor()[0], source.as_tensor()[0].permute(1, 0, 2).flip(0, 1))


@pytest.mark.parametrize("shape", [(30, 20), (30, 20, 3)])
def test_world_coordinates_survive_the_axes(shape: tuple[int, ...]) -> None:
    """The brightest voxel lies at the same place in millimeters before and after."""
    source = volume(shape)
    display = DisplayAxes()
    shown = display(source)

    def place(image: MetaTensor) -> torch.Tensor:
        index = np.unravel_index(int(image.as_tensor()[0].argmax()), image.shape[1:])
        whole = torch.zeros(4, dtype=torch.float64)
        whole[: len(index)] = torch.tensor([float(i) for i in index], dtype=torch.float64)
        whole[3] = 1
        return image.affine @ whole

    torch.testing.assert_close(place(shown), place(source))
    torch.testing.assert_close(place(display.inverse(shown)), place(source))


@pytest.mark.parametrize("shape", [(48, 80), (64, 64), (30, 20, 3)])
def test_a_map_returns_to_the_source_grid_with_its_affine(shape: tuple[int, ...]) -> None:
    source = volume(shape)
    image = to_network(Settings(size=32))(source)
    maps = torch.zeros(len(as_slices(image)), 1, 32, 32)
    back = restore(maps, image)
    assert back.shape == source.shape
    torch.testing.assert_close(back.affine, source.affine)


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 4)])
def test_a_marked_place_goes_through_and_back(shape: tuple[int, ...]) -> None:
    source = volume(shape)
    source[...] = 0
    place = (20, 60, 2)[: len(shape)]
    source[(0, *place)] = 1
    image = geometry(32)(source)
    back = restore(as_slices(image), image)
    found = np.unravel_index(int(back.argmax()), back.shape[1:])
    assert np.abs(np.array(found) - np.array(place)).max() <= 2  # within a pixel of the coarse grid
    if len(shape) == 3:
        assert found[2] == place[2]


def test_the_center_of_the_field_of_view_stays() -> None:
    shape = (100, 60)
    source = volume(shape)
    image = ResizePlane(32)(source)
    middle = torch.tensor([(shape[0] - 1) / 2, (shape[1] - 1) / 2, 0, 1], dtype=torch.float64)
    new_middle = torch.tensor([15.5, 15.5, 0, 1], dtype=torch.float64)
    torch.testing.assert_close(image.affine @ new_middle, source.affine @ middle)


@pytest.mark.parametrize("side", [40, 200, 512])
def test_published_intensities_are_those_of_pillow_within_one_gray_level(tmp_path: Path, side: int) -> None:
    picture = Image.fromarray(gray_image(np.random.default_rng(0), True, side))
    picture.save(tmp_path / "x.png")
    image = Prepare(Settings(size=64))(Study("x", (tmp_path / "x.png",)))
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.BILINEAR), dtype=float)
    ours = (image.as_tensor()[0].numpy() * 0.5 + 0.5) * 255
    assert np.abs(ours - expected).max() <= 1.0


def test_published_dicom_is_inverted_and_stretched(tmp_path: Path) -> None:
    pixels = gray_image(np.random.default_rng(0), side=64)
    write_dicom(tmp_path / "two", pixels)
    write_dicom(tmp_path / "one", pixels.max() - pixels, PhotometricInterpretation="MONOCHROME1")
    two, one = (Prepare(Settings(size=64))(Study(name, (tmp_path / name,))) for name in ("two", "one"))
    assert float(two.min()) == -1
    assert float(two.max()) == 1
    np.testing.assert_allclose(one.numpy(), two.numpy(), atol=2 / 255)


def test_a_constant_image_is_no_division_by_zero(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full((20, 20, 2), 7, np.int16), np.eye(4)), tmp_path / "flat.nii")
    image = Prepare(Settings(size=32))(Study("flat", (tmp_path / "flat.nii",)))
    assert torch.equal(image.as_tensor(), torch.full((1, 32, 32, 2), -1.0))


def test_color_models_take_gray_and_gray_models_take_color(tmp_path: Path) -> None:
    gray = gray_image(np.random.default_rng(0))
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(np.repeat(gray[..., None], 3, axis=2)).save(tmp_path / "color.png")
    studies = [Study(name, (tmp_path / name,)) for name in ("gray.png", "color.png")]
    for channels in (1, 3):
        both = [Prepare(Settings(size=32, channels=channels))(study) for study in studies]
        assert both[0].shape == (channels, 32, 32)
        np.testing.assert_allclose(both[0].numpy(), both[1].numpy(), atol=1e-5)


def test_unreadable_studies_are_all_named_or_left_out(tmp_path: Path) -> None:
    Image.fromarray(gray_image(np.random.default_rng(0))).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    studies = [Study(name, (tmp_path / name,)) for name in ("bad.png", "good.png")]
    with pytest.raises(UnreadableStudies, match=r"1 of 2 studies cannot be read: .*bad\.png"):
        Loader(Settings(size=32))(studies)
    assert Loader(Settings(size=32), skip_unreadable=True)(studies).shape == (1, 1, 32, 32)


def test_a_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(gray_image(np.random.default_rng(0))).save(tmp_path / "a.png")
    study = Study("a", (tmp_path / "a.png",))
    loader, small = Loader(Settings(size=32)), Loader(Settings(size=32), cache_bytes=10)
    first = (loader([study]), small([study]))
    (tmp_path / "a.png").unlink()
    assert torch.equal(loader([study]), first[0])
    with pytest.raises(UnreadableStudies):
        small([study])


def test_an_unknown_preset_lists_the_choices() -> None:
    with pytest.raises(ConfigError, match="choose from published, cxr, mr, ct or fundus"):
        build(Settings, {"preset": "mri"}, "settings")
    for name in PRESETS:
        assert build(Settings, {"preset": name}, "settings").preset == name


def test_readers_and_display_agree_on_rows(tmp_path: Path) -> None:
    """A mark in the top right corner of a PNG is in the first row and last column of the network's grid."""
    pixels = np.zeros((32, 32), np.uint8)
    pixels[0, 31] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").shape == (1, 32, 32)
    image = Prepare(Settings(size=32))(Study("x", (tmp_path / "x.png",)))
    assert np.unravel_index(int(image.argmax()), (32, 32)) == (0, 31)


@pytest.mark.parametrize("preset", ["published", "mr"])
def test_intensities_are_clipped_before_the_resize_and_scaled_as_if_they_had_been(preset: str) -> None:
    source = volume((90, 70))
    source[0, 3, 4] = 50  # beyond the 99.5th percentile; what it spreads to depends on where it is clipped
    low, high = PRESETS[preset].measure(source.as_tensor())
    signed = (source.clamp(low, high) - low) / (high - low) * 2 - 1
    expected = geometry(32)(signed)
    image = to_network(Settings(size=32, preset=preset))(source)
    torch.testing.assert_close(image.as_tensor(), expected.as_tensor(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("resampling", ["antialiased", "plain", "two_steps"])
@pytest.mark.parametrize("shape", [(48, 80), (30, 20, 3)])
def test_every_resampling_returns_to_the_source_grid(resampling: str, shape: tuple[int, ...]) -> None:
    source = volume(shape)
    image = geometry(32, resampling)(source)
    back = restore(as_slices(image), image)
    assert back.shape == source.shape
    torch.testing.assert_close(back.affine, source.affine)
    antialiased = geometry(32)(source)
    torch.testing.assert_close(image.affine, antialiased.affine)
    assert torch.equal(image, antialiased) == (resampling == "antialiased")


def test_two_steps_are_those_of_pillow() -> None:
    """Bicubic to four times the size, bilinear from there; Pillow rounds between."""
    pixels = np.random.default_rng(0).integers(70, 180, (100, 90)).astype(np.uint8)  # so that nothing is clipped
    source = MetaTensor(torch.tensor(pixels)[None].float().transpose(1, 2), meta={"bounds": (0.0, 255.0)})
    ours = geometry(32, "two_steps")(source)[0].numpy()
    fine = Image.fromarray(pixels).resize((128, 128), Image.Resampling.BICUBIC)
    expected = np.asarray(fine.resize((32, 32), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(ours - expected).max() <= 1.5


def test_what_bicubic_overshoots_is_clipped_to_the_range() -> None:
    pixels = torch.zeros(1, 32, 32)
    pixels[..., ::2] = 1
    within = geometry(32, "two_steps")(MetaTensor(pixels, meta={"bounds": (0.0, 1.0)}))
    beyond = geometry(32, "two_steps")(MetaTensor(pixels))
    assert within.min() >= 0
    assert within.max() <= 1
    assert not torch.equal(within, beyond)
