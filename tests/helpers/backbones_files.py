"""Weights in torchvision's layout, random, for tests that must not download any."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "wide_resnet50_2": (3, 4, 6, 3),
}


def torchvision_layout(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Random weights with the names and shapes that torchvision's files have, written down from the architecture."""
    rng = Generator().manual_seed(seed)
    made: dict[str, Tensor] = {}

    def convolution(key: str, out: int, into: int, side: int) -> None:
        made[f"{key}.weight"] = torch.randn(out, into, side, side, generator=rng) * (2 / (into * side**2)) ** 0.5

    def norm(key: str, width: int) -> None:
        for part, low in (("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)):
            made[f"{key}.{part}"] = torch.rand(width, generator=rng) + low
        made[f"{key}.num_batches_tracked"] = torch.tensor(7)

    deep = "50" in name
    before = 64
    convolution("conv1", 64, 3, 7)
    norm("bn1", 64)
    for stage, count in enumerate(BLOCKS[name]):
        planes = 64 * 2**stage
        inner, out = (planes * (2 if "wide" in name else 1), 4 * planes) if deep else (planes, planes)
        for index in range(count):
            key = f"layer{stage + 1}.{index}"
            sizes = (
                [(inner, before, 1), (inner, inner, 3), (out, inner, 1)] if deep else [(out, before, 3), (out, out, 3)]
            )
            for place, (width, into, side) in enumerate(sizes, start=1):
                convolution(f"{key}.conv{place}", width, into, side)
                norm(f"{key}.bn{place}", width)
            if index == 0 and before != out:
                convolution(f"{key}.downsample.0", out, before, 1)
                norm(f"{key}.downsample.1", out)
            before = out
    made["fc.weight"], made["fc.bias"] = torch.zeros(1000, before), torch.zeros(1000)
    return made
