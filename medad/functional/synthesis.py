"""Draw synthetic anomalies for self-supervised training."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate


def blend_patches(images: Tensor, pool: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Make about half of ``images`` abnormal for ASR-Net: (B, C, H, W) -> new images and masks (B, 1, H, W).

    With probability 0.5 a square (half-width an integer in [round(0.05 W), round(0.2 W)), center uniform in the
    central 80 %, clipped to the image) is blended with the same place of a random image of ``pool`` (N, C, H, W),
    by a weight uniform in (0, 1). ``images`` is not modified. DDAD, Medical Image Analysis 86:102794, 2023.
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
    """Return a random image of ``pool``, or the next one if that is ``image`` itself."""
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


def white_noise(
    images: Tensor, generator: Generator, most: int = 4, grain: int = 1, foreground: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Put 0 to ``most`` rectangles of white noise on each image: (B, C, H, W) -> new images and masks (B, 1, H, W).

    Rectangles lie inside the image; their half-sides are uniform among the integers from H / 40 to below H / 10. The
    noise is uniform in [-1, 1] for each pixel and channel. With a 0/1 mask ``foreground`` (B, 1, H, W), only its pixels
    get noise.

    The rectangles are drawn on a grid ``grain`` times finer and then resized (bilinear, antialiased), so that pixels on
    their borders mix noise and image. Every pixel that the noise changes is marked. ``images`` is not modified. CDO,
    IEEE TII 2023.
    """
    images = images.clone()
    masks = torch.zeros_like(images[:, :1])
    allowed = [None] * len(images) if foreground is None else list(foreground)
    for image, mask, inside in zip(images, masks, allowed, strict=True):
        count = int(torch.randint(most + 1, (), generator=generator))
        if count:
            drawn = _drawn(image, count, grain, generator, inside)
            covered = drawn[-1:]
            image.mul_(1 - covered).add_(drawn[:-1])
            mask.copy_(covered > 0)
    return images, masks


def _drawn(image: Tensor, count: int, grain: int, generator: Generator, inside: Tensor | None) -> Tensor:
    """Return noise for ``image`` (C, H, W) and, as the last channel, the covered share of each pixel: (C + 1, H, W)."""
    channels, *sides = image.shape
    canvas = image.new_zeros(channels + 1, *(grain * side for side in sides))
    for _ in range(count):
        rows, columns = _rectangle(canvas.shape[-2], canvas.shape[-1], generator)
        shape = canvas[:channels, rows, columns].shape
        canvas[:channels, rows, columns] = torch.rand(shape, generator=generator).to(canvas) * 2 - 1
        canvas[channels, rows, columns] = 1
    if inside is not None:
        canvas *= inside.repeat_interleave(grain, dim=1).repeat_interleave(grain, dim=2)
    return interpolate(canvas[None], sides, mode="bilinear", antialias=True)[0] if grain > 1 else canvas


def _rectangle(height: int, width: int, generator: Generator) -> tuple[slice, slice]:
    """Return the rows and columns of a random rectangle: half-side h, center from h to below side - h on each axis."""
    lowest = max(1, height // 40)
    halves = torch.randint(lowest, max(lowest + 1, height // 10), (2,), generator=generator).tolist()
    centers = [
        int(torch.randint(half, side - half, (), generator=generator))
        for half, side in zip(halves, (height, width), strict=True)
    ]
    rows, columns = (slice(center - half, center + half) for center, half in zip(centers, halves, strict=True))
    return rows, columns
