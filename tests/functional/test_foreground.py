"""The foreground of pictures whose object is known."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from medad.functional.foreground import foreground


def pictures(background: float, item: float, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Two noisy pictures of a box at different places, and where it is."""
    noise = 0.03 * torch.randn(2, channels, 40, 40, generator=Generator().manual_seed(0))
    inside = torch.zeros(2, 1, 40, 40)
    inside[0, :, 5:20, 8:30] = 1
    inside[1, :, 15:38, 0:12] = 1  # cut off by the border
    return background + (item - background) * inside + noise, inside


@pytest.mark.parametrize(("background", "item"), [(-0.9, 0.5), (0.9, -0.2), (0.0, 0.5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_box_on_an_even_background(background: float, item: float, channels: int) -> None:
    images, inside = pictures(background, item, channels)
    found = foreground(images)
    assert found.shape == (2, 1, 40, 40)
    assert torch.equal(found, inside)


def test_an_object_that_differs_in_color_alone() -> None:
    images, inside = pictures(0.0, 0.0)
    images[:, 0:1] += 0.5 * inside
    images[:, 1:2] -= 0.5 * inside
    assert torch.equal(foreground(images), inside)


def test_an_image_does_not_depend_on_the_others() -> None:
    images, _ = pictures(-0.9, 0.5)
    assert torch.equal(foreground(images)[1:], foreground(images[1:]))


def test_an_even_image_is_foreground_everywhere() -> None:
    assert foreground(torch.full((1, 3, 8, 8), 0.3)).all()
