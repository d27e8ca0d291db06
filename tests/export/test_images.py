"""The preprocessing of an exported model is that of training: equal to MONAI's transforms, for every preset."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from medad.config import Resampling, Settings
from medad.data.presets import PRESETS, read_settings
from medad.data.transforms import as_slices, match_channels, restore, to_network
from medad.export.description import INTENSITIES, VOI, Preprocessing
from medad.export.images import Preparation
from medad.functional.preprocessing import from_slices
from medad.functional.resampling import resize
from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Picture
from medad.io.readers import as_image

SIZE = 32
FLAT = np.diag([-1.0, -1.0, 1.0, 1.0])
OBLIQUE = np.array([[0.9, 0.1, 0.0, -5.0], [-0.1, 0.9, 0.2, 3.0], [0.0, -0.2, 2.0, 1.0], [0, 0, 0, 1]])


class Resampled(Settings):
    """Settings of a method that resizes in its own way."""

    how: Resampling = "antialiased"

    @property
    def resampling(self) -> Resampling:
        return self.how


def picture(kind: str) -> Picture:
    rng = np.random.default_rng(3)
    shape = {"volume": (1, 41, 37, 5), "color": (3, 50, 29)}.get(kind, (1, 50, 29))
    pixels = rng.normal(100, 400, shape).astype(np.float32)
    reading: dict[str, object] = {"value_range": None}
    if kind in ("8-bit", "color"):
        pixels, reading = rng.integers(0, 255, shape).astype(np.float32), {"value_range": [0, 255]}
    if kind == "constant":
        pixels = np.full(shape, 5, np.float32)
    affine = OBLIQUE if kind == "volume" else FLAT
    return Picture(pixels, affine, affine, reading)


def both(settings: Settings, kind: str) -> tuple[torch.Tensor, np.ndarray]:
    """The network's input by the transforms of training, and by the exported preprocessing."""
    source = match_channels(as_image(picture(kind), "scan"), settings.channels)
    preparation = Preparation(Preprocessing.of(settings))
    return as_slices(to_network(settings)(source)), preparation.slices(preparation.source(picture(kind), Path("scan")))


@pytest.mark.parametrize("kind", ["8-bit", "float", "volume", "constant"])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset(preset: str, kind: str) -> None:
    settings = Settings(size=SIZE, preset=preset)  # type: ignore[arg-type]
    expected, slices = both(settings, kind)
    assert slices.dtype == np.float32
    np.testing.assert_allclose(slices, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize("how", get_args(Resampling))
@pytest.mark.parametrize("kind", ["8-bit", "volume", "color"])
def test_every_resampling(how: Resampling, kind: str) -> None:
    expected, slices = both(Resampled(size=SIZE, channels=3, preset="mr", how=how), kind)
    np.testing.assert_allclose(slices, expected.numpy(), atol=2e-6 if how == "two_steps" else 1e-6)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_read_in_the_same_way(preset: str, channels: int) -> None:
    settings = Settings(size=SIZE, preset=preset, channels=channels)  # type: ignore[arg-type]
    assert Preprocessing.of(settings).reading() == read_settings(settings)


def test_the_tables_name_every_preset() -> None:
    assert set(PRESETS) == set(INTENSITIES) == set(VOI)


@pytest.mark.parametrize("kind", ["float", "volume"])
def test_maps_return_to_the_grid_of_the_source(kind: str) -> None:
    settings = Settings(size=SIZE)
    image = to_network(settings)(as_image(picture(kind), "scan"))
    maps = np.random.default_rng(0).uniform(size=(len(as_slices(image)), 1, SIZE, SIZE)).astype(np.float32)
    plane = picture(kind).array.shape[2:0:-1]
    restored = from_slices(resize(maps, plane), picture(kind).affine, volume=kind == "volume")
    np.testing.assert_allclose(restored, restore(torch.from_numpy(maps), image).numpy(), atol=1e-6)


def test_two_channels_fit_no_model() -> None:
    odd = Picture(np.zeros((2, 5, 5), np.float32), FLAT, FLAT, {})
    with pytest.raises(UnreadableImage, match="2 channels and the model takes 1"):
        Preparation(Preprocessing.of(Settings(size=SIZE))).source(odd, Path("scan"))
