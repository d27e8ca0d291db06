"""ResNet-18 (He et al., CVPR 2016), and the decoder that NSA puts behind it (Schlüter et al., ECCV 2022)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

Resize = Literal["down", "up"]


def _resized(before: int, after: int, side: int, resize: Resize | None) -> nn.Module:
    if resize == "up":
        return nn.ConvTranspose2d(before, after, side, 2, side // 2, output_padding=1, bias=False)
    return nn.Conv2d(before, after, side, 2 if resize == "down" else 1, side // 2, bias=False)


class BasicBlock(nn.Module):
    """A residual block of two 3 x 3 convolutions: (B, before, H, W) -> (B, after, H', W').

    ``resize`` is "down" (half the side, by a strided convolution), "up" (twice, by a transposed one) or None, which
    needs equal numbers of channels.
    """

    def __init__(self, before: int, after: int, resize: Resize | None = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _resized(before, after, 3, resize),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if resize is not None:
            self.shortcut = nn.Sequential(_resized(before, after, 1, resize), nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of both branches, after a ReLU."""
        return torch.relu(self.layers(maps) + self.shortcut(maps))


class ResNet18(nn.Module):
    """Images (B, C, S, S) -> the maps of the four stages, fine to coarse; stage i has ``width`` * 2^i channels.

    The sides are S / 4 to S / 32, each rounded up. Published: a width of 64.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.ModuleList([nn.Sequential(BasicBlock(width, width), BasicBlock(width, width))])
        for level in range(3):
            before, after = width * 2**level, width * 2 ** (level + 1)
            self.stages.append(nn.Sequential(BasicBlock(before, after, "down"), BasicBlock(after, after)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the four maps of ``images``."""
        maps, stages = self.stem(images), []
        for stage in self.stages:
            maps = stage(maps)
            stages.append(maps)
        return stages


class EncoderDecoder(nn.Module):
    """Images (B, C, S, S) -> logits (B, 1, S, S) for any S of at least 32; ``width`` is a multiple of 4.

    Behind a ResNet-18, two 1 x 1 convolutions contract its last map to 2 ``width`` channels. Three transposed blocks, a
    bilinear and a transposed convolutional layer, each of which doubles the side, return to the grid of the images.
    Where S is no multiple of 32, what exceeds it is cut off at the right and the bottom.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.encoder = ResNet18(channels, width)
        self.contraction = nn.Sequential(
            nn.Conv2d(8 * width, 4 * width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(4 * width, 2 * width, 1, bias=False),
            nn.ReLU(),
        )
        self.decoder = nn.Sequential(
            BasicBlock(2 * width, width, "up"),
            BasicBlock(width, width // 2, "up"),
            BasicBlock(width // 2, width // 4, "up"),
        )
        self.last = nn.ConvTranspose2d(width // 4, 1, 7, 2, 3, output_padding=1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``, before the sigmoid."""
        maps = self.decoder(self.contraction(self.encoder(images)[-1]))
        logits: Tensor = self.last(interpolate(maps, scale_factor=2, mode="bilinear", align_corners=True))
        return logits[..., : images.shape[-2], : images.shape[-1]]
