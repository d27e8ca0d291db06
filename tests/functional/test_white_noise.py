"""The synthetic anomalies of CDO."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from medad.functional.synthesis import white_noise

FLAT = 7.0  # no noise reaches it


def drawn(count: int = 60, side: int = 80, seed: int = 0, channels: int = 3, **more: int) -> tuple[Tensor, Tensor]:
    images = torch.full((count, channels, side, side), FLAT)
    return white_noise(images, Generator().manual_seed(seed), **more)


def test_images_stay_as_they_were() -> None:
    images = torch.rand(6, 3, 40, 40, generator=Generator().manual_seed(0))
    before = images.clone()
    made, masks = white_noise(images, Generator().manual_seed(1), grain=4)
    assert torch.equal(images, before)
    assert masks.any()
    assert not torch.equal(made, images)


@pytest.mark.parametrize("grain", [1, 4])
def test_a_seed_decides_everything_and_the_global_state_nothing(grain: int) -> None:
    state = torch.get_rng_state()
    first, second, other = drawn(grain=grain), drawn(grain=grain), drawn(grain=grain, seed=1)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[1], other[1])
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_is_where_the_mask_is_and_nowhere_else() -> None:
    made, masks = drawn()
    marked = masks.bool().expand_as(made)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert (made[~marked] == FLAT).all()
    assert (made[marked].abs() <= 1).all()


def test_the_noise_is_white_and_uniform() -> None:
    made, masks = drawn(count=200)
    noise = made[masks.bool().expand_as(made)]
    assert len(noise) > 20_000
    assert abs(noise.mean()) < 0.02
    assert noise.std().item() == pytest.approx(3**-0.5, abs=0.01)
    first, second = made[:, 0, :, :-1], made[:, 0, :, 1:]  # neighbors
    both = (masks[:, 0, :, :-1] * masks[:, 0, :, 1:]).bool()
    assert abs(torch.corrcoef(torch.stack([first[both], second[both]]))[0, 1]) < 0.03
    colors = made.movedim(1, 0)[:, masks[:, 0].bool()]
    assert abs(torch.corrcoef(colors)[0, 1]) < 0.03


def test_rectangles_are_as_large_as_published() -> None:
    """Half-sides from H/40 = 2 to below H/10 = 8, so sides of 4 to 14, and none is cut by the border."""
    _, masks = drawn(count=400, most=1)
    sizes = set()
    for mask in masks[masks.flatten(1).any(dim=1), 0]:
        rows, columns = (mask.any(dim=axis).nonzero().flatten() for axis in (1, 0))
        sizes |= {len(rows), len(columns)}
        assert mask.sum() == len(rows) * len(columns)
    assert sizes == set(range(4, 15, 2))


def test_noise_on_the_foreground_only() -> None:
    images = torch.full((100, 3, 80, 80), FLAT)
    inside = torch.zeros(100, 1, 80, 80)
    inside[:, :, 20:50, 30:70] = 1
    made, masks = white_noise(images, Generator().manual_seed(0), foreground=inside)
    every, drawn_masks = white_noise(images, Generator().manual_seed(0))
    assert torch.equal(masks, drawn_masks * inside)
    assert torch.equal(made, torch.where(inside.bool(), every, images))
    assert masks.any()
    fine, fine_masks = white_noise(images, Generator().manual_seed(0), grain=2, foreground=inside)
    beyond = torch.nn.functional.max_pool2d(inside, 3, 1, 1) == 0
    assert not fine_masks[beyond].any()
    assert fine_masks.any()
    assert (fine[beyond.expand_as(fine)] == FLAT).all()


def test_zero_to_four_of_them() -> None:
    """Each count from 0 to 4 has the chance 1/5; with at most 0, nothing happens."""
    none = sum(not mask.any() for mask in drawn(count=400)[1])
    assert none == pytest.approx(80, abs=25)
    made, masks = drawn(most=0)
    assert not masks.any()
    assert (made == FLAT).all()


def test_on_a_finer_grid_they_are_resized_as_images_are() -> None:
    """The mean over four by four fine pixels and their neighbors: fainter noise, soft borders, the same places."""
    made, masks = drawn(count=200, grain=4)
    inner = torch.nn.functional.avg_pool2d(masks, 5, 1, 2) == 1
    noise = made[inner.expand_as(made)]
    assert len(noise) > 1000
    assert abs(noise.mean()) < 0.02
    assert 0.05 < noise.std() < 0.2
    assert (made[~masks.bool().expand_as(made)] == FLAT).all()
    rim = masks.bool() & ~inner
    assert (made[rim.expand_as(made)] > 1).any()  # some of the image is left there
    sides = masks[:, 0].any(dim=2).sum(dim=1)
    assert sides.max() > 8


def test_small_images_have_rectangles_too() -> None:
    made, masks = drawn(side=16, channels=1)
    assert made.shape == (60, 1, 16, 16)
    assert masks.any()
