"""The networks and scores of DDAD once more, from METHODS.md's lists alone: plain calls with explicit weights.

Weights come as a flat list of tensors in the order of the layers (what ``state_dict`` yields, without the counters of
the batch norms). Nothing here is imported from medad.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

EPS, MOMENTUM = 1e-5, 0.1  # PyTorch's batch norm defaults
CODE, HIDDEN, SLOTS = 16, 2048, 25
WIDTHS = (16, 32, 64, 64)


class Weights:
    """Hands out tensors in the order of the layers, each checked against the shape that the layer list gives."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.left = [value.contiguous() for name, value in state.items() if not name.endswith("num_batches_tracked")]
        self.running: list[tuple[Tensor, Tensor]] = []  # what training mode leaves in each batch norm

    def take(self, *shape: int) -> Tensor:
        tensor = self.left.pop(0)
        assert tensor.shape == shape, f"expected {shape}, the next weights are {tuple(tensor.shape)}"
        return tensor

    def finished(self) -> None:
        assert not self.left, f"{len(self.left)} tensors are in no layer of the list"


def batch_norm(x: Tensor, weights: Weights, training: bool) -> Tensor:
    features = x.shape[1]
    scale, shift, mean, variance = (weights.take(features) for _ in range(4))
    axes = [axis for axis in range(x.ndim) if axis != 1]
    if training:
        samples = x.numel() // features
        now_mean, now_variance = x.mean(axes), x.var(axes, correction=0)
        unbiased = now_variance * samples / (samples - 1)
        weights.running.append(
            ((1 - MOMENTUM) * mean + MOMENTUM * now_mean, (1 - MOMENTUM) * variance + MOMENTUM * unbiased)
        )
        mean, variance = now_mean, now_variance
    shape = [1, features] + [1] * (x.ndim - 2)
    mean, variance, scale, shift = (value.reshape(shape) for value in (mean, variance, scale, shift))
    return (x - mean) / torch.sqrt(variance + EPS) * scale + shift


def relu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def linear(x: Tensor, inputs: int, outputs: int, weights: Weights) -> Tensor:
    matrix = weights.take(outputs, inputs)
    return x @ matrix.T + weights.take(outputs)


def encode(x: Tensor, weights: Weights, training: bool) -> Tensor:
    channels, fm = x.shape[1], x.shape[-1] // 16
    for inputs, outputs in zip((channels, *WIDTHS), WIDTHS, strict=False):
        x = F.conv2d(x, weights.take(outputs, inputs, 4, 4), stride=2, padding=1)
        x = relu(batch_norm(x, weights, training))
    x = linear(x.reshape(len(x), -1), 64 * fm * fm, HIDDEN, weights)
    x = relu(batch_norm(x, weights, training))
    return linear(x, HIDDEN, CODE, weights)


def decode(code: Tensor, fm: int, channels: int, weights: Weights, training: bool) -> Tensor:
    x = linear(code, CODE, HIDDEN, weights)
    x = relu(batch_norm(x, weights, training))
    x = linear(x, HIDDEN, 64 * fm * fm, weights).reshape(-1, 64, fm, fm)
    for inputs, outputs in ((64, 64), (64, 32), (32, 16)):
        x = F.conv_transpose2d(x, weights.take(inputs, outputs, 4, 4), stride=2, padding=1)
        x = relu(batch_norm(x, weights, training))
    return F.conv_transpose2d(x, weights.take(16, channels, 4, 4), stride=2, padding=1)


def ae(x: Tensor, weights: Weights, training: bool = False) -> dict[str, Tensor]:
    code = encode(x, weights, training)
    return {"mean": decode(code, x.shape[-1] // 16, x.shape[1], weights, training)}


def aeu(x: Tensor, weights: Weights, training: bool = False) -> dict[str, Tensor]:
    channels = x.shape[1]
    both = decode(encode(x, weights, training), x.shape[-1] // 16, 2 * channels, weights, training)
    return {"mean": both[:, :channels], "log_variance": both[:, channels:]}


def memae(x: Tensor, weights: Weights, training: bool = False) -> dict[str, Tensor]:
    memory = weights.left.pop()  # the only tensor that is in neither the encoder nor the decoder
    assert memory.shape == (SLOTS, CODE)
    logits = encode(x, weights, training) @ memory.T
    raised = torch.exp(logits - logits.max(dim=1, keepdim=True).values)
    attention = raised / raised.sum(dim=1, keepdim=True)
    entropy = -(attention * torch.log(attention + 1e-12)).sum(dim=1)
    mean = decode(attention @ memory, x.shape[-1] // 16, x.shape[1], weights, training)
    return {"mean": mean, "penalty": 2e-4 * entropy.mean()}


NETWORKS = {"ae": ae, "aeu": aeu, "memae": memae}


def asr_net(maps: Tensor, weights: Weights, training: bool = False) -> Tensor:
    x = maps
    for inputs, outputs in ((maps.shape[1], 128), (128, 128)):
        kernel = weights.take(outputs, inputs, 3, 3)
        x = F.conv2d(x, kernel, weights.take(outputs), padding=1)
        x = relu(batch_norm(x, weights, training))
    kernel = weights.take(2, 128, 3, 3)
    x = F.conv2d(x, kernel, weights.take(2), padding=1)
    raised = torch.exp(x - x.max(dim=1, keepdim=True).values)
    return raised / raised.sum(dim=1, keepdim=True)


def batch_norms(*features: int) -> int:
    return sum(2 * count for count in features)


def count_ae(size: int, channels: int, outputs: int) -> int:
    """Learned numbers in an autoencoder, added up over METHODS.md's layer list."""
    flat = 64 * (size // 16) ** 2
    encoder = 16 * (channels * 16 + 16 * 32 + 32 * 64 + 64 * 64) + batch_norms(16, 32, 64, 64)
    encoder += (flat + 1) * 2048 + batch_norms(2048) + (2048 + 1) * 16
    decoder = (16 + 1) * 2048 + batch_norms(2048) + (2048 + 1) * flat
    decoder += 16 * (64 * 64 + 64 * 32 + 32 * 16 + 16 * outputs) + batch_norms(64, 32, 16)
    return encoder + decoder


def count_asr(inputs: int) -> int:
    return (9 * inputs + 1) * 128 + batch_norms(128) + (9 * 128 + 1) * 128 + batch_norms(128) + (9 * 128 + 1) * 2


def score_maps(
    images: np.ndarray,
    ndm: list[np.ndarray],
    udm: list[np.ndarray],
    log_variances: list[np.ndarray] | None,
) -> dict[str, np.ndarray]:
    """METHODS.md's maps before refinement, (B, M, H, W) in double precision; several channels are averaged.

    ``ndm`` and ``udm`` hold the K reconstructions (B, C, H, W); ``log_variances`` what an AE-U's NDM predicts.
    """
    x = images.astype(np.float64)
    normative = [member.astype(np.float64) for member in ndm]
    unknown = [member.astype(np.float64) for member in udm]
    count = len(normative)
    mu_b, mu_a = sum(normative) / count, sum(unknown) / len(unknown)
    variances = [np.exp(value.astype(np.float64)) for value in log_variances] if log_variances else [np.ones_like(x)]
    v = sum(variances) / len(variances)
    each = variances if log_variances else variances * count
    squares = sum((member - mu_b) ** 2 for member in normative)
    single = [((x - member) ** 2 / own).mean(1) for member, own in zip(normative, each, strict=True)]
    maps = {
        "single": np.stack(single, 1),
        "rec": ((x - mu_b) ** 2 / v).mean(1, keepdims=True),
        "inter": (np.abs(mu_a - mu_b) / np.sqrt(v)).mean(1, keepdims=True),
    }
    if count > 1:
        maps["intra"] = (np.sqrt(squares / (count - 1)) / np.sqrt(v)).mean(1, keepdims=True)
        maps["r_intra"] = maps["intra"]
        maps["r_dual"] = np.concatenate([maps["inter"], maps["intra"]], 1)
    return maps
