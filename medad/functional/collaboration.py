"""Expert and apprentice: their discrepancy and CDO's loss (Cao et al., IEEE TII 19(11), 2023)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.linalg import vector_norm

from medad.functional.upsampling import Size, upsampled_products

SHORTEST = 1e-12  # no feature vector counts as shorter where its length divides
TINY = 1e-6  # no discrepancy is taken for smaller where it divides


def feature_discrepancy(expert: Tensor, apprentice: Tensor, size: Size | None = None) -> Tensor:
    """Squared distance of the features, each of length 1 at every position: two (B, C, h, w) -> (B, 1, H, W).

    It lies between 0 and 4, and is twice 1 - cosine similarity. ``size`` is (H, W): the features are upsampled to it
    (bilinear, corners on corners) before they are brought to length 1; without it they stay on their own grid. The
    expert gets no gradient.
    """
    expert, apprentice = (
        features if features.dtype == torch.float64 else features.float() for features in (expert, apprentice)
    )
    if size is None or size == tuple(expert.shape[-2:]):
        distance: Tensor = _Distance.apply(expert, apprentice)  # type: ignore[no-untyped-call]  # PyTorch's stubs lack it
        return distance
    both, of_expert, of_apprentice = upsampled_products(expert, apprentice, size)
    lengths = [products.clamp(min=SHORTEST**2).sqrt() for products in (of_expert, of_apprentice)]
    squares = of_expert / lengths[0] ** 2 + of_apprentice / lengths[1] ** 2
    return (squares - 2 * both / (lengths[0] * lengths[1]))[:, None].to(expert.dtype)


class _Distance(Function):
    """Distance on the grid of the features; the gradient by its formula, in a quarter of the time of autograd's."""

    @staticmethod
    def forward(ctx: Any, expert: Tensor, apprentice: Tensor) -> Tensor:
        """Two (B, C, h, w) -> (B, 1, h, w)."""
        lengths = [vector_norm(features, dim=1, keepdim=True).clamp(min=SHORTEST) for features in (expert, apprentice)]
        directions = expert / lengths[0], apprentice / lengths[1]
        distance: Tensor = (directions[0] - directions[1]).square().sum(dim=1, keepdim=True)
        ctx.save_for_backward(*directions, lengths[1], distance)
        return distance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        """-2 (f - cos g) / |a| for the directions f of the expert and g of the apprentice a."""
        of_expert, of_apprentice, length, distance = ctx.saved_tensors
        factor = -2 * gradients[0] / length
        return None, torch.addcmul(of_expert * factor, of_apprentice, factor * (distance / 2 - 1))


def overlap_weights(discrepancy: Tensor, synthetic: Tensor, gamma: float) -> Tensor:
    """OOM: what each position counts in the loss, without gradient: (B, 1, h, w) and a 0/1 mask -> (B, 1, h, w).

    (d/m)^gamma at normal positions, (m/d)^gamma at synthetic ones, with m the mean of d over the same group: most for
    those that lie in the overlap of the two distributions. ``gamma`` = 0 counts all alike.
    """
    values = discrepancy.detach().clamp(min=TINY)
    normal = values / _mean(values, 1 - synthetic)
    return (normal * (1 - synthetic) + _mean(values, synthetic) / values * synthetic) ** gamma


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the positions of ``mask``, a scalar; TINY where there are none."""
    return ((values * mask).sum() / mask.sum().clamp(min=1)).clamp(min=TINY)


def collaborative_loss(discrepancy: Tensor, synthetic: Tensor, gamma: float = 2.0) -> Tensor:
    """What the apprentice minimizes on one scale, (B, 1, h, w) and a 0/1 mask of the same shape: a scalar.

    MOM: the discrepancy is brought down at normal positions and up at synthetic ones, (sum of w d over the normal -
    sum of w d over the synthetic positions) / (sum of w) * B. It is defined where one of the groups is empty.
    """
    weights = overlap_weights(discrepancy, synthetic, gamma)
    signs = 1 - 2 * synthetic
    return (signs * weights * discrepancy).sum() / weights.sum() * len(discrepancy)
