"""ResNet-18 and NSA's decoder once more, from their layer lists alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from reference.plain import Weights, batch_norm, relu
from torch import Tensor


def block(x: Tensor, outputs: int, weights: Weights, resize: str | None, training: bool) -> Tensor:
    inputs = x.shape[1]

    def moved(side: int) -> Tensor:
        if resize == "up":
            kernel = weights.take(inputs, outputs, side, side)
            return F.conv_transpose2d(x, kernel, stride=2, padding=side // 2, output_padding=1)
        return F.conv2d(x, weights.take(outputs, inputs, side, side), stride=2 if resize else 1, padding=side // 2)

    y = relu(batch_norm(moved(3), weights, training))
    y = batch_norm(F.conv2d(y, weights.take(outputs, outputs, 3, 3), padding=1), weights, training)
    return relu(y + (batch_norm(moved(1), weights, training) if resize else x))


def resnet(x: Tensor, width: int, weights: Weights, training: bool = False) -> list[Tensor]:
    x = F.conv2d(x, weights.take(width, x.shape[1], 7, 7), stride=2, padding=3)
    x = F.max_pool2d(relu(batch_norm(x, weights, training)), 3, 2, 1)
    maps = []
    for level in range(4):
        x = block(x, width * 2**level, weights, "down" if level else None, training)
        x = block(x, width * 2**level, weights, None, training)
        maps.append(x)
    return maps


def doubled(x: Tensor) -> Tensor:
    """Linear between the pixels of both axes, first and last pixel on those of the result."""
    for axis in (2, 3):
        side = x.shape[axis]
        places = torch.linspace(0, side - 1, 2 * side)
        low = places.floor().long().clamp(max=max(side - 2, 0))
        high = (low + 1).clamp(max=side - 1)
        share = (places - low).reshape([-1 if dim == axis else 1 for dim in range(4)])
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share
    return x


def encoder_decoder(x: Tensor, width: int, weights: Weights, training: bool = False) -> Tensor:
    side = x.shape[-1]
    x = resnet(x, width, weights, training)[-1]
    x = relu(F.conv2d(x, weights.take(4 * width, 8 * width, 1, 1)))
    x = relu(F.conv2d(x, weights.take(2 * width, 4 * width, 1, 1)))
    for outputs in (width, width // 2, width // 4):
        x = block(x, outputs, weights, "up", training)
    x = F.conv_transpose2d(doubled(x), weights.take(width // 4, 1, 7, 7), stride=2, padding=3, output_padding=1)
    return x[:, :, :side, :side]


def count_resnet(channels: int, width: int) -> int:
    total = channels * width * 49 + 2 * width
    for level in range(4):
        now = width * 2**level
        before = now // 2 if level else now
        total += 9 * before * now + 3 * 9 * now * now + 4 * 2 * now
        total += before * now + 2 * now if level else 0
    return total


def count_decoder(width: int) -> int:
    total = 8 * width * 4 * width + 4 * width * 2 * width + width // 4 * 49
    for before in (2 * width, width, width // 2):
        now = before // 2
        total += 9 * before * now + 9 * now * now + before * now + 3 * 2 * now
    return total
