"""The networks of f-AnoGAN and of RD4AD's student once more, from their layer lists alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from reference.plain import Weights, batch_norm, linear, relu
from reference.plain_reconstruction import group_norm
from torch import Tensor

FACTORS = (1, 2, 4, 8, 8)


def pooled(x: Tensor) -> Tensor:
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def repeated(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def norm(x: Tensor, weights: Weights, kind: str, training: bool) -> Tensor:
    return group_norm(x, 1, weights) if kind == "layer" else batch_norm(x, weights, training)


def residual(x: Tensor, outputs: int, weights: Weights, kind: str, up: bool, training: bool) -> Tensor:
    inputs = x.shape[1]
    point = weights.take(outputs, inputs, 1, 1), weights.take(outputs)
    shortcut = F.conv2d(repeated(x) if up else pooled(x), *point)
    middle = outputs if up else inputs
    x = relu(norm(x, weights, kind, training))
    x = F.conv2d(repeated(x) if up else x, weights.take(middle, inputs, 3, 3), padding=1)
    x = relu(norm(x, weights, kind, training))
    x = F.conv2d(x, weights.take(outputs, middle, 3, 3), weights.take(outputs), padding=1)
    return shortcut + (x if up else pooled(x))


def contracting(x: Tensor, outputs: int, width: int, weights: Weights, kind: str, training: bool = False) -> Tensor:
    x = F.conv2d(x, weights.take(width, x.shape[1], 3, 3), weights.take(width), padding=1)
    for factor in FACTORS[1:]:
        x = residual(x, factor * width, weights, kind, False, training)
    x = x.reshape(len(x), -1)
    return linear(x, x.shape[1], outputs, weights)


def features(x: Tensor, width: int, weights: Weights) -> Tensor:
    """The critic's, before its last layer, whose weights stay."""
    x = F.conv2d(x, weights.take(width, x.shape[1], 3, 3), weights.take(width), padding=1)
    for factor in FACTORS[1:]:
        x = residual(x, factor * width, weights, "layer", False, False)
    return x.reshape(len(x), -1)


def generating(z: Tensor, side: int, channels: int, width: int, weights: Weights, training: bool = False) -> Tensor:
    x = linear(z, z.shape[1], 8 * width * side**2, weights).reshape(-1, 8 * width, side, side)
    for factor in FACTORS[-2::-1]:
        x = residual(x, factor * width, weights, "batch", True, training)
    x = relu(batch_norm(x, weights, training))
    return torch.tanh(F.conv2d(x, weights.take(channels, width, 3, 3), weights.take(channels), padding=1))


def count_residual(inputs: int, outputs: int, up: bool) -> int:
    middle = outputs if up else inputs
    return (inputs + 1) * outputs + 2 * inputs + 9 * inputs * middle + 2 * middle + (9 * middle + 1) * outputs


def count_contracting(size: int, channels: int, outputs: int, width: int) -> int:
    widths = [factor * width for factor in FACTORS]
    blocks = sum(count_residual(before, after, False) for before, after in pairwise(widths))
    return (9 * channels + 1) * width + blocks + (8 * width * (size // 16) ** 2 + 1) * outputs


def count_generating(size: int, channels: int, latent: int, width: int) -> int:
    widths = [factor * width for factor in FACTORS[::-1]]
    blocks = sum(count_residual(before, after, True) for before, after in pairwise(widths))
    return (latent + 1) * 8 * width * (size // 16) ** 2 + blocks + 2 * width + (9 * width + 1) * channels


def bottleneck(x: Tensor, outputs: int, weights: Weights, resize: str | None, training: bool) -> Tensor:
    inputs, inner = x.shape[1], outputs // 2
    y = relu(batch_norm(F.conv2d(x, weights.take(inner, inputs, 1, 1)), weights, training))
    if resize == "up":
        y = F.conv_transpose2d(y, weights.take(inner, inner, 2, 2), stride=2)
    else:
        y = F.conv2d(y, weights.take(inner, inner, 3, 3), stride=2 if resize == "down" else 1, padding=1)
    y = relu(batch_norm(y, weights, training))
    y = batch_norm(F.conv2d(y, weights.take(outputs, inner, 1, 1)), weights, training)
    if resize == "up":
        x = batch_norm(F.conv_transpose2d(x, weights.take(inputs, outputs, 2, 2), stride=2), weights, training)
    elif resize == "down":
        x = batch_norm(F.conv2d(x[:, :, ::2, ::2], weights.take(outputs, inputs, 1, 1)), weights, training)
    return relu(x + y)


def student(maps: Sequence[Tensor], blocks: Sequence[int], weights: Weights, training: bool = False) -> list[Tensor]:
    fine, middle, coarse = (one.shape[1] for one in maps)
    parts = []
    for x, widths in ((maps[0], (fine, middle, coarse)), (maps[1], (middle, coarse))):
        for before, after in pairwise(widths):
            x = F.conv2d(x, weights.take(after, before, 3, 3), stride=2, padding=1)
            x = relu(batch_norm(x, weights, training))
        parts.append(x)
    x, answers = torch.cat([*parts, maps[2]], dim=1), []
    for place, (outputs, count) in enumerate(zip((2 * coarse, coarse, middle, fine), blocks, strict=True)):
        for block in range(count):
            x = bottleneck(x, outputs, weights, None if block else ("up" if place else "down"), training)
        answers.append(x)
    return answers[:0:-1]


def count_bottleneck(inputs: int, outputs: int, resize: str | None) -> int:
    inner = outputs // 2
    layers = inputs * inner + (4 if resize == "up" else 9) * inner**2 + inner * outputs + 4 * inner + 2 * outputs
    shortcut = {"up": 4 * inputs * outputs + 2 * outputs, "down": inputs * outputs + 2 * outputs, None: 0}[resize]
    return layers + shortcut


def count_student(channels: Sequence[int], blocks: Sequence[int]) -> int:
    fine, middle, coarse = channels
    total = 9 * (fine * middle + 2 * middle * coarse) + 2 * (middle + 2 * coarse)
    before = 3 * coarse
    for place, (outputs, count) in enumerate(zip((2 * coarse, coarse, middle, fine), blocks, strict=True)):
        total += count_bottleneck(before, outputs, "up" if place else "down")
        total += (count - 1) * count_bottleneck(outputs, outputs, None)
        before = outputs
    return total
