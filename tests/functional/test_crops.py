"""Crops of MedIAnomaly's self-supervised methods: their sides, their places and how far they are turned."""

from __future__ import annotations

import torch
from torch import Generator
from torch.testing import assert_close

from medad.functional.crops import central_crops, on_whole, random_crops, turned


def test_turned_by_right_angles() -> None:
    images = torch.rand(3, 2, 9, 9, generator=Generator().manual_seed(0))
    rotated = turned(images, torch.tensor([0.0, 90.0, 180.0]))
    assert_close(rotated[0], images[0], atol=1e-5, rtol=0)
    quarter = [torch.rot90(images[1], turns, (1, 2)) for turns in (1, -1)]
    assert min(float((rotated[1] - one).abs().max()) for one in quarter) < 1e-5
    assert_close(rotated[2], images[2].flip(1, 2), atol=1e-5, rtol=0)


def test_places_and_angles_of_random_crops() -> None:
    """An image whose two channels are its coordinates: a crop's center says its place, its slope its angle."""
    axis = torch.arange(256.0)
    images = torch.stack([axis[:, None].expand(256, 256), axis.expand(256, 256)])[None].expand(200, -1, -1, -1)
    crops = random_crops(images, Generator().manual_seed(1))
    assert crops.shape == (200, 2, 224, 224)
    slopes = torch.rad2deg(torch.atan((crops[:, 0, 112, 200] - crops[:, 0, 112, 20]) / 180 / 1.0))
    assert 2.5 < float(slopes.abs().max()) <= 3.01
    assert abs(float(slopes.mean())) < 0.5
    assert abs(float(slopes.std()) - 3 / 3**0.5) < 0.3
    starts = crops[:, :, 111:113, 111:113].mean(dim=(2, 3)) - 111.5  # the center moves by less than half a pixel
    for column in (0, 1):
        assert 12.4 < float(starts[:, column].min()) < 13.6
        assert 18.4 < float(starts[:, column].max()) < 19.6
        assert abs(float(starts[:, column].mean()) - 16) < 0.5


def test_central_crops_go_back_to_their_place() -> None:
    for side, crop in ((256, 224), (33, 29), (32, 28)):
        images = torch.rand(2, 1, side, side, generator=Generator().manual_seed(2))
        crops = central_crops(images, side)
        assert crops.shape[-1] == crop
        whole = on_whole(crops, side)
        assert whole.shape == images.shape
        inside = whole != 0
        assert int(inside[0].sum()) == crop * crop
        assert torch.equal(whole[inside], images[inside])
