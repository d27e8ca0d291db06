"""The networks of the reconstruction methods once more, from their layer lists alone: plain calls, explicit weights."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from reference.plain import WIDTHS, Weights, batch_norm, linear, relu
from scipy.ndimage import gaussian_filter
from torch import Tensor


def encode(x: Tensor, latent: int, hidden: int, weights: Weights, training: bool, normalized: bool = True) -> Tensor:
    flat = 64 * (x.shape[-1] // 16) ** 2
    for inputs, outputs in zip((x.shape[1], *WIDTHS), WIDTHS, strict=False):
        x = F.conv2d(x, weights.take(outputs, inputs, 4, 4), stride=2, padding=1)
        x = relu(batch_norm(x, weights, training))
    x = linear(x.reshape(len(x), -1), flat, hidden, weights)
    x = relu(batch_norm(x, weights, training) if normalized else x)
    return linear(x, hidden, latent, weights)


def decode(
    z: Tensor, side: int, channels: int, hidden: int, weights: Weights, training: bool, normalized: bool = True
) -> Tensor:
    x = linear(z, z.shape[1], hidden, weights)
    x = relu(batch_norm(x, weights, training) if normalized else x)
    x = linear(x, hidden, 64 * side * side, weights).reshape(-1, 64, side, side)
    for inputs, outputs in ((64, 64), (64, 32), (32, 16)):
        x = F.conv_transpose2d(x, weights.take(inputs, outputs, 4, 4), stride=2, padding=1)
        x = relu(batch_norm(x, weights, training))
    return F.conv_transpose2d(x, weights.take(16, channels, 4, 4), stride=2, padding=1)


def count_encoder(size: int, channels: int, latent: int, hidden: int, normalized: bool = True) -> int:
    flat = 64 * (size // 16) ** 2
    convolutions = 16 * (channels * 16 + 16 * 32 + 32 * 64 + 64 * 64)
    norms = 2 * (16 + 32 + 64 + 64)
    return convolutions + norms + (flat + 1) * hidden + 2 * hidden * normalized + (hidden + 1) * latent


def count_decoder(size: int, channels: int, latent: int, hidden: int, normalized: bool = True) -> int:
    flat = 64 * (size // 16) ** 2
    convolutions = 16 * (64 * 64 + 64 * 32 + 32 * 16 + 16 * channels)
    norms = 2 * (64 + 32 + 16)
    return (latent + 1) * hidden + 2 * hidden * normalized + (hidden + 1) * flat + convolutions + norms


def standardized(x: Tensor, outputs: int, weights: Weights) -> Tensor:
    kernel = weights.take(outputs, x.shape[1], 3, 3)
    filters = []
    for one in kernel:
        numbers = one - one.sum() / one.numel()
        filters.append(numbers / (torch.sqrt((numbers**2).sum() / (one.numel() - 1)) + 1e-5))
    x = torch.cat([x[:, :, 1:2], x, x[:, :, -2:-1]], dim=2)
    x = torch.cat([x[..., 1:2], x, x[..., -2:-1]], dim=3)
    return F.conv2d(x, torch.stack(filters), weights.take(outputs))


def group_norm(x: Tensor, groups: int, weights: Weights) -> Tensor:
    batch, channels, height, width = x.shape
    parts = x.reshape(batch, groups, -1)
    mean, variance = parts.mean(2, keepdim=True), parts.var(2, keepdim=True, correction=0)
    x = ((parts - mean) / torch.sqrt(variance + 1e-5)).reshape(batch, channels, height, width)
    return x * weights.take(channels).reshape(1, -1, 1, 1) + weights.take(channels).reshape(1, -1, 1, 1)


GROUPS = {4: 2, 8: 4, 16: 4, 32: 8, 64: 8}  # the middle divisors


def unet_block(x: Tensor, outputs: int, weights: Weights) -> Tensor:
    for _ in range(2):
        x = standardized(x, outputs, weights)
        x = group_norm(x / (1 + torch.exp(-x)), GROUPS[outputs], weights)
    return x


def unet(x: Tensor, width: int, depth: int, weights: Weights) -> Tensor:
    """Weights in the order: blocks down, transposed convolutions, blocks up, the last convolution."""
    channels, levels = x.shape[1], []
    for level in range(depth):
        if level:
            x = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
        x = unet_block(x, width * 2**level, weights)
        levels.append(x)
    widths = [width * 2**level for level in range(depth)]
    larger = [(weights.take(2 * one, one, 2, 2), weights.take(one)) for one in widths[-2::-1]]
    for (kernel, bias), outputs, level in zip(larger, widths[-2::-1], levels[-2::-1], strict=True):
        x = torch.cat([F.conv_transpose2d(x, kernel, bias, stride=2), level], dim=1)
        x = unet_block(x, outputs, weights)
    return F.conv2d(x, weights.take(channels, width, 1, 1), weights.take(channels))


def count_unet(channels: int, width: int, depth: int) -> int:
    def block(inputs: int, outputs: int) -> int:
        return 9 * inputs * outputs + 9 * outputs**2 + 2 * outputs + 4 * outputs

    total, before = 0, channels
    for level in range(depth):
        total += block(before, width * 2**level)
        before = width * 2**level
    for level in reversed(range(depth - 1)):
        outputs = width * 2**level
        total += 4 * before * outputs + outputs + block(before, outputs)
        before = outputs
    return total + (width + 1) * channels


def dissimilarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 - SSIM of two (H, W) in [0, 1], where the window of 11 x 11 fits."""

    def blurred(image: np.ndarray) -> np.ndarray:
        return gaussian_filter(image, 1.5, truncate=3.5)[5:-5, 5:-5]

    mean, other = blurred(first), blurred(second)
    variance, other_variance = blurred(first**2) - mean**2, blurred(second**2) - other**2
    covariance = blurred(first * second) - mean * other
    light = (2 * mean * other + 0.01**2) / (mean**2 + other**2 + 0.01**2)
    return 1 - light * (2 * covariance + 0.03**2) / (variance + other_variance + 0.03**2)
