"""Synthetic lesions for asking which map marks what does not belong."""

from __future__ import annotations

import torch
from torch import Generator

from medad.functional.lesions import soft_lesions


def made(seed: int = 0, count: int = 30) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of a gray disk with texture on black, and the same with lesions."""
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    disk = ((rows - 24) ** 2 + (columns - 24) ** 2 < 18**2).float()
    texture = torch.rand(count, 1, 48, 48, generator=Generator().manual_seed(7)) * 0.2
    images = disk * (texture + 0.9) - 1
    return (images, *soft_lesions(images, Generator().manual_seed(seed)))


def test_each_image_changes_where_its_mask_is_and_next_to_it() -> None:
    images, altered, masks = made()
    before = images.clone()
    assert torch.equal(images, before)
    areas = masks.flatten(1).mean(dim=1)
    assert areas.min() > 0.002
    assert areas.max() < 0.12
    change = (altered - images).abs()
    inside = (change * masks).sum() / masks.sum()
    assert inside > 10 * (change * (1 - masks)).sum() / (1 - masks).sum()
    assert altered.abs().max() <= 1


def test_lesions_lie_on_tissue_are_of_three_kinds_and_follow_the_generator() -> None:
    images, altered, masks = made()
    overlap = ((images > -0.95) * masks).flatten(1).sum(dim=1) / masks.flatten(1).sum(dim=1)
    assert overlap.min() > 0.3
    shift = ((altered - images) * masks).flatten(1).sum(dim=1) / masks.flatten(1).sum(dim=1)
    assert (shift[0::3] > 0).all()
    assert (shift[1::3] < 0).all()
    assert torch.equal(made()[1], altered)
    assert not torch.equal(made(seed=1)[1], altered)


def test_an_image_of_one_value_gets_no_lesion() -> None:
    flat = torch.full((2, 1, 32, 32), -1.0)
    altered, masks = soft_lesions(flat, Generator().manual_seed(0))
    assert torch.equal(altered, flat)
    assert not masks.any()
