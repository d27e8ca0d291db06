"""Expert and apprentice: their discrepancy and CDO's loss (Cao et al., IEEE TII 19(11), 2023)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

TINY = 1e-6  # no discrepancy is taken for smaller where it divides


def feature_discrepancy(expert: Tensor, apprentice: Tensor) -> Tensor:
    """Squared distance of the features, each of length 1 at every position: two (B, C, h, w) -> (B, 1, h, w).

    It lies between 0 and 4, and is twice 1 - cosine similarity.
    """
    difference = normalize(expert.float(), dim=1) - normalize(apprentice.float(), dim=1)
    return difference.square().sum(dim=1, keepdim=True)


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
