"""The student of reverse distillation: a bottleneck and a decoder (Deng and Li, CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Resize = Literal["down", "up"]


def _convolved(before: int, after: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, side, stride, side // 2, bias=False), nn.BatchNorm2d(after))


def _doubled(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 2, 2, bias=False), nn.BatchNorm2d(after))


class Bottleneck(nn.Module):
    """A residual block as in Wide-ResNet-50-2: (B, before, H, W) -> (B, after, H', W'), half as wide inside.

    ``resize`` is "down" (half the side, by a strided convolution), "up" (twice, by a transposed one) or None.
    """

    def __init__(self, before: int, after: int, resize: Resize | None = None) -> None:
        super().__init__()
        inner = after // 2
        middle = _doubled(inner, inner) if resize == "up" else _convolved(inner, inner, 3, 2 if resize == "down" else 1)
        self.layers = nn.Sequential(
            _convolved(before, inner, 1), nn.ReLU(), middle, nn.ReLU(), _convolved(inner, after, 1)
        )
        self.shortcut: nn.Module = nn.Identity()
        if resize is not None:
            self.shortcut = _doubled(before, after) if resize == "up" else _convolved(before, after, 1, 2)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of both branches, after a ReLU."""
        return torch.relu(self.layers(maps) + self.shortcut(maps))


def _stage(before: int, after: int, blocks: int, resize: Resize) -> nn.Sequential:
    return nn.Sequential(Bottleneck(before, after, resize), *(Bottleneck(after, after) for _ in range(blocks - 1)))


class Student(nn.Module):
    """Maps of the teacher, three from fine to coarse, each half as large as the one before -> maps of these shapes.

    The three are brought to the grid of the coarsest (multi-scale feature fusion), concatenated and contracted to half
    its side and twice its channels (one-class embedding), from which the decoder, a mirrored Wide-ResNet-50-2, restores
    all three. ``blocks`` are those of the embedding and of the decoder's stages, coarse to fine.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.fine = nn.Sequential(
            _convolved(fine, middle, 3, 2), nn.ReLU(), _convolved(middle, coarse, 3, 2), nn.ReLU()
        )
        self.middle = nn.Sequential(_convolved(middle, coarse, 3, 2), nn.ReLU())
        self.embedding = _stage(3 * coarse, 2 * coarse, blocks[0], "down")
        widths = (2 * coarse, coarse, middle, fine)
        self.decoder = nn.ModuleList(
            _stage(before, after, count, "up")
            for (before, after), count in zip(pairwise(widths), blocks[1:], strict=True)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the restored maps, fine to coarse."""
        fine, middle, coarse = maps
        restored = self.embedding(torch.cat([self.fine(fine), self.middle(middle), coarse], dim=1))
        answers = []
        for stage in self.decoder:
            restored = stage(restored)
            answers.append(restored)
        return answers[::-1]
