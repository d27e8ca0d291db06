"""The sample generator of ASR-Net against the properties that METHODS.md gives it."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from medad.functional.synthesis import blend_patches

COUNT, SIDE = 4000, 64


def draw(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@pytest.fixture(scope="module")
def squares() -> Tensor:
    """(top, bottom, left, right) of each drawn square, bottom and right excluded; blending zeros with ones."""
    made, masks = blend_patches(torch.zeros(COUNT, 1, SIDE, SIDE), torch.ones(3, 1, SIDE, SIDE), rng(1))
    assert torch.equal(made > 0, masks > 0)
    found = []
    for mask in masks[masks.flatten(1).any(dim=1)][:, 0]:
        rows, columns = mask.any(dim=1).nonzero().flatten(), mask.any(dim=0).nonzero().flatten()
        box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
        assert mask[box[0] : box[1], box[2] : box[3]].all()
        assert mask.sum() == (box[1] - box[0]) * (box[3] - box[2])
        found.append(box)
    return torch.tensor(found)


def rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def whole(squares: Tensor) -> Tensor:
    """The squares that the image does not cut off."""
    return squares[((squares > 0) & (squares < SIDE)).all(dim=1)]


def test_half_of_the_images_are_made_abnormal(squares: Tensor) -> None:
    assert abs(len(squares) / COUNT - 0.5) < 4 * (0.25 / COUNT) ** 0.5


def test_half_widths(squares: Tensor) -> None:
    # W = 64: round(3.2) = 3 to round(12.8) - 1 = 12, each about as often as any other
    inside = whole(squares)
    heights, widths = inside[:, 1] - inside[:, 0], inside[:, 3] - inside[:, 2]
    assert torch.equal(heights, widths)
    assert (widths % 2 == 0).all()
    halves = widths // 2
    assert set(halves.tolist()) == set(range(3, 13))
    small = halves[halves <= 5]  # those are never cut off: their shares are those of the draw
    assert torch.bincount(small)[3:].min() > 0.7 * len(squares) / 10


def test_half_widths_follow_the_width_of_the_image() -> None:
    # W = 32: round(1.6) = 2 to round(6.4) - 1 = 5; W = 16: round(0.8) = 1 to round(3.2) - 1 = 2
    for side, allowed in ((32, {2, 3, 4, 5}), (16, {1, 2})):
        _, masks = blend_patches(torch.zeros(1000, 1, side, side), torch.ones(1, 1, side, side), rng(2))
        widths = {int(mask.any(dim=0).sum()) for mask in masks[:, 0] if mask.any()}
        assert max(widths) == 2 * max(allowed)
        assert {2 * half for half in allowed} <= widths


def test_centers_lie_in_the_central_80_percent(squares: Tensor) -> None:
    # 0.1 * 64 = 6.4 and 0.9 * 64 = 57.6; squares of half-width up to 6 are never cut off, so their centers are seen
    inside = whole(squares)
    small = inside[inside[:, 1] - inside[:, 0] <= 12]
    for low, high in ((0, 1), (2, 3)):
        centers = (small[:, low] + small[:, high]) // 2
        assert centers.min() in (6, 7)
        assert centers.max() in (56, 57)
        assert len(set(centers.tolist())) >= 49  # every place between
        assert abs(centers.double().mean() - 31.5) < 1.5
    rows, columns = (small[:, 0] + small[:, 1]) / 2, (small[:, 2] + small[:, 3]) / 2
    assert abs(torch.corrcoef(torch.stack([rows, columns]))[0, 1]) < 0.15


def test_squares_are_cut_off_at_the_edge(squares: Tensor) -> None:
    # half-width 12 around a center at 6 begins at -6
    assert squares.min() == 0
    assert squares.max() == SIDE
    assert len(squares) > len(whole(squares)) > 0.6 * len(squares)


@pytest.mark.parametrize("channels", [1, 3])
def test_blends_with_the_same_place_by_one_weight(channels: int) -> None:
    images, donor = draw(3, 400, channels, 32, 32), draw(4, 1, channels, 32, 32)
    made, masks = blend_patches(images, donor, rng(5))
    assert made.shape == images.shape
    assert made.dtype == images.dtype
    assert masks.shape == (400, 1, 32, 32)
    assert masks.dtype == images.dtype
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    changed = (made != images).any(dim=1, keepdim=True)
    assert torch.equal(changed, masks.bool())
    # alpha = (made - x) / (donor - x): one number in a square, whatever the place and channel
    weights = []
    for one, image, mask in zip(made, images, masks, strict=True):
        place = mask.bool().expand_as(image)
        if place.any():
            difference = (donor[0] - image)[place]
            steady = difference.abs() > 0.05
            alpha = (one - image)[place][steady] / difference[steady]
            assert alpha.max() - alpha.min() < 1e-9
            weights.append(alpha.mean())
    alphas = torch.stack(weights)
    assert ((alphas > 0) & (alphas < 1)).all()
    # uniform in (0, 1): mean 1/2, standard deviation 1 / sqrt(12), to the ends
    assert abs(alphas.mean() - 0.5) < 0.06
    assert abs(alphas.std() - 12**-0.5) < 0.04
    assert alphas.min() < 0.05
    assert alphas.max() > 0.95


def test_weight_square_and_choice_are_drawn_for_each_image() -> None:
    made, masks = blend_patches(torch.zeros(200, 1, 32, 32), torch.ones(1, 1, 32, 32), rng(6))
    strength = made.flatten(1).amax(dim=1)
    abnormal = strength > 0
    assert len(strength[abnormal].unique()) == int(abnormal.sum())
    assert len(masks[abnormal].unique(dim=0)) > 0.9 * int(abnormal.sum())


def test_donors_come_from_the_whole_pool() -> None:
    pool = torch.tensor([[1.0], [-1.0]]).view(2, 1, 1, 1).expand(2, 1, 32, 32)
    made, _ = blend_patches(torch.zeros(400, 1, 32, 32), pool, rng(7))
    signs = made.flatten(1).sum(dim=1).sign()
    positive, negative = int((signs > 0).sum()), int((signs < 0).sum())
    assert abs(positive - negative) < 4 * (positive + negative) ** 0.5


def test_the_donor_is_another_image() -> None:
    images = draw(10, 4, 1, 32, 32)
    for seed in range(20):
        made, masks = blend_patches(images, images, rng(seed))
        assert torch.equal((made != images), masks.bool())


def test_arguments_are_left_as_they_were() -> None:
    images, pool = draw(8, 20, 1, 32, 32), draw(9, 5, 1, 32, 32)
    before = images.clone(), pool.clone()
    made, masks = blend_patches(images, pool, rng(0))
    assert masks.any()
    made.add_(1)
    assert torch.equal(images, before[0])
    assert torch.equal(pool, before[1])


def test_the_generator_decides_everything() -> None:
    images, pool = draw(8, 20, 1, 32, 32), draw(9, 5, 1, 32, 32)
    torch.manual_seed(0)
    first = blend_patches(images, pool, rng(3))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    again, other = blend_patches(images, pool, rng(3)), blend_patches(images, pool, rng(4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])
