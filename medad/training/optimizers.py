"""Build the optimizers of the published methods, and spawn and copy generators."""

from __future__ import annotations

import torch
from torch import Generator, nn
from torch.optim import Optimizer


def adam(
    network: nn.Module, learning_rate: float, weight_decay: float = 0.0, betas: tuple[float, float] = (0.5, 0.999)
) -> Optimizer:
    """Return a fused Adam; the default ``betas`` are those of DDAD and of CDO's re-release."""
    parameters = [value for value in network.parameters() if value.requires_grad]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)


def adamw(network: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> Optimizer:
    """Return a fused AdamW with PyTorch's betas, (0.9, 0.999)."""
    return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)


def rmsprop(network: nn.Module, learning_rate: float) -> Optimizer:
    """Return an RMSprop with the defaults of TensorFlow, for which f-AnoGAN was written: decay 0.9, no momentum."""
    return torch.optim.RMSprop(network.parameters(), lr=learning_rate, alpha=0.9)


def sgd(network: nn.Module, learning_rate: float, momentum: float, weight_decay: float) -> Optimizer:
    """Return stochastic gradient descent with momentum."""
    return torch.optim.SGD(network.parameters(), lr=learning_rate, momentum=momentum, weight_decay=weight_decay)


def spawn(rng: Generator) -> Generator:
    """Return a new generator, seeded by ``rng``."""
    return Generator().manual_seed(int(torch.randint(2**62, (), generator=rng)))


def copied(rng: Generator) -> Generator:
    """Return a new generator that draws what ``rng`` would draw next."""
    copy = Generator()
    copy.set_state(rng.get_state())
    return copy
