"""The gradient penalty of a Wasserstein GAN (Gulrajani et al., NeurIPS 2017)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, shares: Tensor) -> Tensor:
    """Return the mean of (g - 1)^2, g the length of the critic's gradient between ``real`` and ``fake`` images.

    The gradient is that of ``critic`` (B, C, H, W) -> (B, 1) with respect to ``real + share (fake - real)``, where
    ``shares`` (B,) lie between 0 and 1; its length is taken over all pixels of an image.
    """
    between = torch.lerp(real, fake, shares.to(real).view(-1, 1, 1, 1)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    lengths: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (lengths - 1).square().mean()
