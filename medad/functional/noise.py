"""Noise that is coarser than the pixels, for denoising autoencoders."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate


def coarse_noise(images: Tensor, generator: Generator, deviation: float, grid: int, foreground: bool = False) -> Tensor:
    """Return ``images`` (B, C, H, W) in [-1, 1] with coarse Gaussian noise (Kascenas et al., MIDL 2022).

    For each image and channel, noise is drawn on a grid of ``grid`` x ``grid``, enlarged to the image (bilinear,
    aligned corners) and rolled by an offset that is drawn once for the batch. ``deviation`` is the standard deviation
    on the grid, for intensities in [0, 1]. With ``foreground``, only pixels above the image's minimum get noise.
    """
    height, width = images.shape[-2:]
    drawn = torch.randn((*images.shape[:2], grid, grid), generator=generator) * (2 * deviation)
    noise = interpolate(drawn, (height, width), mode="bilinear", align_corners=True)
    offsets = [int(torch.randint(side, (), generator=generator)) for side in (height, width)]
    noise = torch.roll(noise, offsets, dims=(-2, -1)).to(images)
    if foreground:
        noise = noise * (images > images.amin(dim=(1, 2, 3), keepdim=True)).any(dim=1, keepdim=True)
    return images + noise
