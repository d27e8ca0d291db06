"""Crop images as MedIAnomaly's self-supervised methods do: 224 of 256 pixels, turned a little in training."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

DEGREES = 3.0
CENTRAL, CROP, WHOLE = 230, 224, 256  # sides in pixels: the crop lies in the central part of the whole


def crop_side(side: int) -> int:
    """Return the side of the crop of an image of ``side`` pixels.

    >>> crop_side(256), crop_side(64)
    (224, 56)
    """
    return round(side * CROP / WHOLE)


def turned(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn each of ``images`` (B, C, S, S) by its ``degrees`` (B,) around the center (bilinear, border repeated)."""
    angles = torch.deg2rad(degrees).to(images)
    cosines, sines, zeros = angles.cos(), angles.sin(), torch.zeros_like(angles)
    matrices = torch.stack([torch.stack([cosines, -sines, zeros], 1), torch.stack([sines, cosines, zeros], 1)], 1)
    grid = affine_grid(matrices, list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def random_crops(images: Tensor, generator: Generator) -> Tensor:
    """Turn each of ``images`` (B, C, S, S) by up to 3 degrees and crop it at random within its central part."""
    count, side = len(images), images.shape[-1]
    central, crop = round(side * CENTRAL / WHOLE), crop_side(side)
    degrees = (2 * torch.rand(count, generator=generator) - 1) * DEGREES
    starts = (side - central) // 2 + torch.randint(central - crop + 1, (count, 2), generator=generator)
    places = [(slice(row, row + crop), slice(column, column + crop)) for row, column in starts.tolist()]
    rotated = turned(images, degrees)
    return torch.stack([image[:, *place] for image, place in zip(rotated, places, strict=True)])


def central_crops(images: Tensor, side: int) -> Tensor:
    """Return the central crop of ``images`` (B, C, S, S), whose ``side`` is S (a number, also in traced graphs)."""
    start, crop = (side - crop_side(side)) // 2, crop_side(side)
    return images[..., start : start + crop, start : start + crop]


def on_whole(maps: Tensor, side: int) -> Tensor:
    """Surround ``maps`` (B, 1, s, s) of central crops by zeros, to the ``side`` of the whole image."""
    before = (side - crop_side(side)) // 2
    after = side - crop_side(side) - before
    return pad(maps, (before, after, before, after))
