"""Draw synthetic lesions that no method trains on, to compare anomaly maps."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

RADIUS = (0.05, 0.14)  # of the shorter side
STRENGTH = (0.15, 0.5)  # of the image's own range of intensities
WOBBLE = 0.25  # amplitude of the outline's bulges, as a share of the radius
SOFTNESS = 0.12  # width of the soft edge, as a share of the radius
TISSUE = 0.1  # share of the range above the darkest pixel, over which a pixel counts as tissue


def soft_lesions(images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Give each image a soft-edged lesion: (B, C, H, W) in [-1, 1] -> new images and masks (B, 1, H, W).

    The lesions are in turn brighter than their surroundings, darker, or filled from another place of the next image.
    The center lies on tissue, and the outline is an ellipse with bulges. The lesions differ on purpose from the samples
    that ASR-Net (:func:`~medad.functional.synthesis.blend_patches`) and CDO (rectangles of noise) are trained on, since
    those would favor the maps of these methods. A constant image gets no lesion. ``images`` is not modified.
    """
    altered = images.clone()
    masks = torch.zeros_like(images[:, :1])
    for index, image in enumerate(images):
        low, high = float(image.min()), float(image.max())
        tissue = (image.mean(dim=0) > low + TISSUE * (high - low)).nonzero()
        if not len(tissue):
            continue
        row, column = tissue[int(torch.randint(len(tissue), (), generator=generator))].tolist()
        weight = _blob(image.shape[-2], image.shape[-1], row, column, generator).to(image)
        strength = (high - low) * _uniform(*STRENGTH, generator)
        fills = (image + strength, image - strength, _elsewhere(images[(index + 1) % len(images)], generator))
        altered[index] = torch.lerp(image, fills[index % len(fills)], weight).clamp(-1, 1)
        masks[index] = weight >= 0.5
    return altered, masks


def _blob(height: int, width: int, row: int, column: int, generator: Generator) -> Tensor:
    """Return weights (H, W) that are 1 inside a shape around (``row``, ``column``) and 0 outside, with a soft edge."""
    radius = min(height, width) * _uniform(*RADIUS, generator)
    flattening, turn, first, second = (_uniform(*ends, generator) for ends in ((0.6, 1), *[(0, 2 * math.pi)] * 3))
    rows = torch.arange(height, dtype=torch.float32)[:, None] - row
    columns = torch.arange(width, dtype=torch.float32)[None] - column
    along = (rows * math.cos(turn) + columns * math.sin(turn)) / radius
    across = (columns * math.cos(turn) - rows * math.sin(turn)) / (flattening * radius)
    angle = torch.atan2(across, along)
    bulges = 1 + WOBBLE * (torch.sin(2 * angle + first) + 0.5 * torch.sin(3 * angle + second)) / 1.5
    return torch.sigmoid((bulges - torch.hypot(along, across)) / SOFTNESS)


def _elsewhere(donor: Tensor, generator: Generator) -> Tensor:
    """Return ``donor`` (C, H, W) rolled by a quarter to three quarters of its sides."""
    moves = [int(side * _uniform(0.25, 0.75, generator)) for side in donor.shape[-2:]]
    return torch.roll(donor, moves, dims=(-2, -1))


def _uniform(low: float, high: float, generator: Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
