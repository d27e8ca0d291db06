"""Training losses: reconstruction with or without predicted noise, memory sparsity, divergence, focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from medad.types import Reconstruction


def reconstruction_loss(images: Tensor, reconstruction: Reconstruction) -> Tensor:
    """Return the loss of a reconstruction of ``images`` (B, C, H, W), a scalar.

    The loss is the mean squared error, or ``mean(exp(-s) (mean - x)^2) + mean(s)`` with a predicted log variance s. The
    penalty of the network is added.
    """
    squared = (reconstruction.mean - images).square()
    if reconstruction.log_variance is None:
        loss = squared.mean()
    else:
        loss = (torch.exp(-reconstruction.log_variance) * squared).mean() + reconstruction.log_variance.mean()
    return loss if reconstruction.penalty is None else loss + reconstruction.penalty


def attention_entropy(attention: Tensor) -> Tensor:
    """Return the mean over the rows of ``-sum(a log(a + 1e-12))``, a scalar, for ``attention`` (B, slots).

    Sparse attention has a low entropy.
    """
    return -(attention * torch.log(attention + 1e-12)).sum(dim=1).mean()


def focal_loss(probabilities: Tensor, mask: Tensor, gamma: float = 2.0, smooth: float = 1e-5) -> Tensor:
    """Return the focal loss of softmax ``probabilities`` (B, 2, H, W) for a 0/1 ``mask`` (B, 1, H, W), a scalar.

    The one-hot target is clamped to [smooth, 1 - smooth], p_t = sum(target p) + smooth, and the loss is the mean of
    -(1 - p_t)^gamma log p_t, without class weights (Lin et al., ICCV 2017, as DDAD uses it).
    """
    target = torch.cat([1 - mask, mask], dim=1).clamp(smooth, 1 - smooth)
    chance = (target * probabilities).sum(dim=1) + smooth
    return (-((1 - chance) ** gamma) * torch.log(chance)).mean()


def standard_normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of normal distributions from the standard one, a scalar.

    ``mean`` m and ``log_variance`` s are (B, latent); the result is the mean over both of (m^2 + exp(s) - 1 - s) / 2
    (Kingma and Welling, ICLR 2014).
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
