"""Reconstruction error of single networks: the baseline that DDAD is compared with."""

import torch
from torch import Tensor

from medad.functional.discrepancy import over_channels
from medad.registry import scores
from medad.scores.base import score
from medad.types import Evidence


@scores.register("single")
@score("reconstruction error (single network)")
def single(evidence: Evidence) -> Tensor:
    """Return (x - mean_k)^2 / variance_k of each NDM network k, (B, K, H, W)."""
    variance: Tensor | float = 1.0 if evidence.ndm.variance is None else evidence.ndm.variance
    errors = over_channels((evidence.images - evidence.ndm.mean).square() / variance)
    return torch.movedim(errors.squeeze(2), 0, 1)
