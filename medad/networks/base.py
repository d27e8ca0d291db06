"""The convolutional encoder and decoder that the networks of DDAD share, and the initialization of a network."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, nn

WIDTHS = (16, 32, 64, 64)
HIDDEN = 2048


def bottleneck_side(size: int) -> int:
    """Return the side of the smallest feature map, ``size / 16``. Raises ValueError for other sizes."""
    if size < 16 or size % 16:
        raise ValueError(f"size must be a multiple of 16, got {size}: for example {max(16, round(size / 16) * 16)}")
    return size // 16


def encoder(channels: int, size: int, latent: int, hidden: int = HIDDEN, normalized: bool = True) -> nn.Sequential:
    """Build the encoder (B, C, S, S) -> (B, latent): four strided convolutions, then two linear layers.

    ``hidden`` is the width of the first linear layer; a batch norm follows it if ``normalized``.
    """
    flat = WIDTHS[-1] * bottleneck_side(size) ** 2
    layers: list[nn.Module] = []
    for before, after in pairwise((channels, *WIDTHS)):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    layers += [nn.Flatten(), *_widened(flat, hidden, normalized)]
    return nn.Sequential(*layers, nn.Linear(hidden, latent))


def decoder(channels: int, size: int, latent: int, hidden: int = HIDDEN, normalized: bool = True) -> nn.Sequential:
    """Build the decoder (B, latent) -> (B, C, S, S), the mirror of the encoder, without a final activation."""
    side = bottleneck_side(size)
    flat = WIDTHS[-1] * side**2
    layers: list[nn.Module] = _widened(latent, hidden, normalized)
    layers += [nn.Linear(hidden, flat), nn.Unflatten(1, (WIDTHS[-1], side, side))]
    for before, after in pairwise(reversed(WIDTHS)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(WIDTHS[0], channels, 4, 2, 1, bias=False))


def _widened(before: int, hidden: int, normalized: bool) -> list[nn.Module]:
    norms = [nn.BatchNorm1d(hidden)] if normalized else []
    return [nn.Linear(before, hidden), *norms, nn.ReLU(inplace=True)]


def initialize(network: nn.Module, generator: Generator) -> None:
    """Initialize ``network`` by PyTorch's default, drawn from ``generator`` and not from the global random state.

    The weights are drawn on the CPU, so that a seed gives the same weights on every device.
    """
    home = next(network.parameters()).device
    network.cpu()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(generator.initial_seed())  # torch.manual_seed would seed GPUs too
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
    network.to(home)


def draw_convolutions(network: nn.Module, generator: Generator) -> None:
    """Draw the weights of the convolutions from a normal distribution (He et al., ICCV 2015, by outputs).

    Transposed convolutions stay as they are, as in the published codes of ResNet and of RD4AD.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            drawn = torch.empty(layer.weight.shape)
            nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu", generator=generator)
            with torch.no_grad():
                layer.weight.copy_(drawn)
