"""The U-Net of the denoising autoencoder (Kascenas et al., MIDL 2022)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

LEAST_DEVIATION = 1e-5  # added to the standard deviation of a filter


class StandardizedConv2d(nn.Conv2d):
    """A 3 x 3 convolution with reflection at the border, whose filters have mean 0 and standard deviation 1."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 3)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the convolution (B, D, H, W) of ``maps`` (B, C, H, W)."""
        centered = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        deviation = centered.flatten(1).std(dim=1).view(-1, 1, 1, 1) + LEAST_DEVIATION
        padded = pad(maps, (1, 1, 1, 1), mode="reflect")
        convolved: Tensor = self._conv_forward(padded, centered / deviation, self.bias)
        return convolved


def middle_divisor(channels: int) -> int:
    """Return the middle one of the divisors of ``channels``, the upper one of two: the number of groups of a norm.

    >>> [middle_divisor(channels) for channels in (64, 128, 6)]
    [8, 16, 3]
    """
    divisors = [number for number in range(1, channels + 1) if channels % number == 0]
    return divisors[len(divisors) // 2]


def block(before: int, after: int) -> nn.Sequential:
    """Build two convolutions, each followed by Swish and a group norm: (B, before, H, W) -> (B, after, H, W)."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [StandardizedConv2d(channels, after), nn.SiLU(), nn.GroupNorm(middle_divisor(after), after)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Images (B, C, S, S) -> images (B, C, S, S); S is a multiple of 2^(depth - 1), and the coarsest side at least 2.

    Level i has ``width`` * 2^i channels. The levels are joined by average pooling on the way down, and by transposed
    convolutions and concatenation on the way up.
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.down = nn.ModuleList(block(before, after) for before, after in pairwise((channels, *widths)))
        rising = list(pairwise(reversed(widths)))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(before, after, 2, 2) for before, after in rising)
        self.up = nn.ModuleList(block(before, after) for before, after in rising)
        self.last = nn.Conv2d(width, channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the output (B, C, S, S) for ``images`` (B, C, S, S), without a final activation."""
        maps, levels = images, []
        for level, down in enumerate(self.down):
            maps = down(avg_pool2d(maps, 2) if level else maps)
            levels.append(maps)
        for enlarge, up, level_maps in zip(self.enlarge, self.up, reversed(levels[:-1]), strict=True):
            maps = up(torch.cat([enlarge(maps), level_maps], dim=1))
        output: Tensor = self.last(maps)
        return output
