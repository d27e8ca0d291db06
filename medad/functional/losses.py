"""Training losses: reconstruction with or without predicted noise, memory sparsity, focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from medad.types import Reconstruction


def reconstruction_loss(images: Tensor, reconstruction: Reconstruction) -> Tensor:
    """What a reconstruction network minimizes on ``images`` (B, C, H, W): a scalar.

    The mean squared error; with a log variance s, mean(exp(-s) (mean - x)^2) + mean(s); plus the network's penalty.
    """
    squared = (reconstruction.mean - images).square()
    if reconstruction.log_variance is None:
        loss = squared.mean()
    else:
        loss = (torch.exp(-reconstruction.log_variance) * squared).mean() + reconstruction.log_variance.mean()
    return loss if reconstruction.penalty is None else loss + reconstruction.penalty


def attention_entropy(attention: Tensor) -> Tensor:
    """Mean over the rows of -sum(a log(a + 1e-12)): (B, slots) -> scalar. Sparse addressing has a low entropy."""
    return -(attention * torch.log(attention + 1e-12)).sum(dim=1).mean()


def focal_loss(probabilities: Tensor, mask: Tensor, gamma: float = 2.0, smooth: float = 1e-5) -> Tensor:
    """Focal loss of softmax ``probabilities`` (B, 2, H, W) against a 0/1 ``mask`` (B, 1, H, W): a scalar.

    The one-hot target is clamped to [smooth, 1 - smooth], p_t = sum(target p) + smooth, and the loss is the mean of
    -(1 - p_t)^gamma log p_t, without class weights (Lin et al., ICCV 2017, as DDAD uses it).
    """
    target = torch.cat([1 - mask, mask], dim=1).clamp(smooth, 1 - smooth)
    chance = (target * probabilities).sum(dim=1) + smooth
    return (-((1 - chance) ** gamma) * torch.log(chance)).mean()
