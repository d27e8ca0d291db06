"""The residual networks of f-AnoGAN: generator, critic and encoder (Gulrajani et al., NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from medad.networks.base import bottleneck_side

Norm = Callable[[int], nn.Module]
FACTORS = (1, 2, 4, 8, 8)  # channels after each halving of the image, as multiples of the width
layer_norm: Norm = partial(nn.GroupNorm, 1)  # over channels and positions, with a scale and shift for each channel


class Residual(nn.Module):
    """A block that halves or doubles the side: (B, before, H, W) -> (B, after, H', W').

    Two 3 x 3 convolutions, each after a norm and ReLU, are added to a 1 x 1 convolution of the input. The side is
    halved by averaging after the second convolution, or doubled by repetition before the first one.
    """

    def __init__(self, before: int, after: int, norm: Norm, resize: Literal["down", "up"]) -> None:
        super().__init__()
        down = resize == "down"
        middle = before if down else after
        pool, repeat = nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        point = nn.Conv2d(before, after, 1)
        self.shortcut = nn.Sequential(pool, point) if down else nn.Sequential(point, repeat)
        layers = [norm(before), nn.ReLU(), nn.Identity() if down else repeat]
        layers += [nn.Conv2d(before, middle, 3, padding=1, bias=False), norm(middle), nn.ReLU()]
        layers += [nn.Conv2d(middle, after, 3, padding=1), pool if down else nn.Identity()]
        self.layers = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of both branches."""
        total: Tensor = self.shortcut(maps) + self.layers(maps)
        return total


def contracting(channels: int, size: int, outputs: int, width: int, norm: Norm) -> nn.Sequential:
    """Build a network (B, C, S, S) -> (B, outputs) whose last layer is linear: the critic, or the encoder."""
    widths = [factor * width for factor in FACTORS]
    blocks = [Residual(before, after, norm, "down") for before, after in pairwise(widths)]
    flat = widths[-1] * bottleneck_side(size) ** 2
    start = nn.Conv2d(channels, width, 3, padding=1)
    return nn.Sequential(start, *blocks, nn.Flatten(), nn.Linear(flat, outputs))


def generating(channels: int, size: int, latent: int, width: int) -> nn.Sequential:
    """Build the generator (B, latent) -> (B, C, S, S) in [-1, 1]."""
    side, widths = bottleneck_side(size), [factor * width for factor in reversed(FACTORS)]
    start = [nn.Linear(latent, widths[0] * side**2), nn.Unflatten(1, (widths[0], side, side))]
    blocks = [Residual(before, after, nn.BatchNorm2d, "up") for before, after in pairwise(widths)]
    end = [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, padding=1), nn.Tanh()]
    return nn.Sequential(*start, *blocks, *end)
