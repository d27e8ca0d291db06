"""Discrepancy of expert and apprentice, and the loss of CDO (Cao et al., IEEE TII 19(11), 2023)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.linalg import vector_norm

from medad.functional.capture import captured
from medad.functional.upsampling import Size, upsampled_products

SHORTEST = 1e-12  # lower bound of a feature vector's length in a denominator
TINY = 1e-6  # lower bound of a discrepancy in a denominator


def feature_discrepancy(expert: Tensor, apprentice: Tensor, size: Size | None = None) -> Tensor:
    """Return the squared distance of the normalized features: two (B, C, h, w) -> (B, 1, H, W).

    It is twice 1 - cosine similarity and lies between 0 and 4. With ``size`` (H, W), the features are upsampled
    (bilinear, aligned corners) before they are normalized to length 1 at every position; without it they stay on their
    own grid. The expert gets no gradient.
    """
    expert, apprentice = (
        features if features.dtype == torch.float64 else features.float() for features in (expert, apprentice)
    )
    if size is None or size == tuple(expert.shape[-2:]):
        if captured():
            return _distance(expert, apprentice)[0]
        distance: Tensor = _Distance.apply(expert, apprentice)  # type: ignore[no-untyped-call]  # PyTorch's stubs lack it
        return distance
    both, of_expert, of_apprentice = upsampled_products(expert, apprentice, size)
    lengths = [products.clamp(min=SHORTEST**2).sqrt() for products in (of_expert, of_apprentice)]
    squares = of_expert / lengths[0] ** 2 + of_apprentice / lengths[1] ** 2
    return (squares - 2 * both / (lengths[0] * lengths[1]))[:, None].to(expert.dtype)


def _distance(expert: Tensor, apprentice: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the distance (B, 1, h, w) of two (B, C, h, w), their directions, and the length of the second."""
    lengths = [vector_norm(features, dim=1, keepdim=True).clamp(min=SHORTEST) for features in (expert, apprentice)]
    directions = expert / lengths[0], apprentice / lengths[1]
    return (directions[0] - directions[1]).square().sum(dim=1, keepdim=True), *directions, lengths[1]


class _Distance(Function):
    """The distance on the grid of the features, with an explicit gradient that takes a quarter of autograd's time."""

    @staticmethod
    def forward(ctx: Any, expert: Tensor, apprentice: Tensor) -> Tensor:
        """Return the distance (B, 1, h, w) of two (B, C, h, w)."""
        distance, *directions, length = _distance(expert, apprentice)
        ctx.save_for_backward(*directions, length, distance)
        return distance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        """Return ``-2 (f - cos g) / |a|`` for the directions f of the expert and g of the apprentice a."""
        of_expert, of_apprentice, length, distance = ctx.saved_tensors
        factor = -2 * gradients[0] / length
        return None, torch.addcmul(of_expert * factor, of_apprentice, factor * (distance / 2 - 1))


def overlap_weights(discrepancy: Tensor, synthetic: Tensor, gamma: float) -> Tensor:
    """Return the weight of each position in the loss (OOM), without gradient, (B, 1, h, w).

    The weight is (d/m)^gamma at normal positions and (m/d)^gamma at positions of the 0/1 mask ``synthetic``, where d is
    the ``discrepancy`` (B, 1, h, w) and m its mean over the same group. Positions in the overlap of the two
    distributions get the largest weights. ``gamma`` = 0 gives equal weights.
    """
    values = discrepancy.detach().clamp(min=TINY)
    normal = values / _mean(values, 1 - synthetic)
    return (normal * (1 - synthetic) + _mean(values, synthetic) / values * synthetic) ** gamma


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the positions of ``mask``, a scalar; TINY if there are none."""
    return ((values * mask).sum() / mask.sum().clamp(min=1)).clamp(min=TINY)


def collaborative_loss(discrepancy: Tensor, synthetic: Tensor, gamma: float = 2.0) -> Tensor:
    """Return the apprentice's loss on one scale (MOM), a scalar.

    ``discrepancy`` d and the 0/1 mask ``synthetic`` are (B, 1, h, w). With the weights w of :func:`overlap_weights`,
    the loss is ``(sum of w d over normal - sum of w d over synthetic positions) / (sum of w) * B``. It decreases d at
    normal positions and increases it at synthetic ones, and is defined if one of the groups is empty.
    """
    weights = overlap_weights(discrepancy, synthetic, gamma)
    signs = 1 - 2 * synthetic
    return (signs * weights * discrepancy).sum() / weights.sum() * len(discrepancy)
