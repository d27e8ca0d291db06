"""Synthetic anomalies for self-supervised training."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate


def blend_patches(images: Tensor, pool: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Make about half of ``images`` abnormal for ASR-Net: (B, C, H, W) -> new images and masks (B, 1, H, W).

    With probability 0.5 a square (half-width an integer in [round(0.05 W), round(0.2 W)), center uniform in the
    central 80 %, clipped to the image) is blended with the same place of a random image of ``pool`` (N, C, H, W),
    by a weight uniform in (0, 1). ``images`` is left as it was. DDAD, Medical Image Analysis 86:102794, 2023.
    """
    images = images.clone()
    masks = torch.zeros_like(images[:, :1])
    chosen = torch.rand(len(images), generator=generator) < 0.5
    for index in chosen.nonzero().flatten().tolist():
        rows, columns = _square(images.shape[-2], images.shape[-1], generator)
        donor = _donor(images[index], pool, generator)
        weight = float(torch.rand((), generator=generator))
        place = (index, slice(None), rows, columns)
        images[place] = torch.lerp(images[place], donor[:, rows, columns].to(images), weight)
        masks[place] = 1
    return images, masks


def _donor(image: Tensor, pool: Tensor, generator: Generator) -> Tensor:
    """A random image of ``pool``; the next one if that is ``image`` itself."""
    index = int(torch.randint(len(pool), (), generator=generator))
    return pool[(index + 1) % len(pool)] if torch.equal(pool[index].to(image), image) else pool[index]


def _square(height: int, width: int, generator: Generator) -> tuple[slice, slice]:
    lowest, highest = round(0.05 * width), round(0.2 * width)
    half = int(torch.randint(lowest, highest, (), generator=generator))
    row = int(torch.randint(int(0.1 * height), int(0.9 * height), (), generator=generator))
    column = int(torch.randint(int(0.1 * width), int(0.9 * width), (), generator=generator))
    return (
        slice(max(row - half, 0), min(row + half, height)),
        slice(max(column - half, 0), min(column + half, width)),
    )


def white_noise(images: Tensor, generator: Generator, most: int = 4, grain: int = 1) -> tuple[Tensor, Tensor]:
    """Put 0 to ``most`` rectangles of white noise on each image: (B, C, H, W) -> new images and masks (B, 1, H, W).

    Half-sides are integers from H/40 to H/10, centers uniform over the image, each pixel and channel uniform in
    [-1, 1]. All this is drawn on a grid that is ``grain`` times finer and then resized as images are (bilinear,
    antialiased); pixels that are half covered or more are marked. ``images`` are left as they were. CDO, IEEE TII 2023.
    """
    images = images.clone()
    masks = torch.zeros_like(images[:, :1])
    channels, *sides = images.shape[1:]
    for image, mask in zip(images, masks, strict=True):
        count = int(torch.randint(most + 1, (), generator=generator))
        canvas = images.new_zeros(1, channels + 1, *(grain * side for side in sides))
        for _ in range(count):
            place = _rectangle(canvas.shape[-2], canvas.shape[-1], generator)
            shape = canvas[(0, slice(channels), *place)].shape
            canvas[(0, slice(channels), *place)] = torch.rand(shape, generator=generator).to(canvas) * 2 - 1
            canvas[(0, channels, *place)] = 1
        if count:
            drawn = interpolate(canvas, sides, mode="bilinear", antialias=True) if grain > 1 else canvas
            covered = drawn[0, channels:]
            image.mul_(1 - covered).add_(drawn[0, :channels])
            mask.copy_(covered >= 0.5)
    return images, masks


def _rectangle(height: int, width: int, generator: Generator) -> tuple[slice, slice]:
    lowest, highest = max(1, height // 40), max(1, height // 10)
    halves = torch.randint(lowest, highest + 1, (2,), generator=generator).tolist()
    centers = [int(torch.randint(side, (), generator=generator)) for side in (height, width)]
    return (
        slice(max(centers[0] - halves[0], 0), min(centers[0] + halves[0], height)),
        slice(max(centers[1] - halves[1], 0), min(centers[1] + halves[1], width)),
    )
