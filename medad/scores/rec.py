"""Reconstruction error of the whole NDM."""

from torch import Tensor

from medad.functional.discrepancy import over_channels
from medad.registry import scores
from medad.scores.base import noise_variance, score
from medad.types import Evidence


@scores.register("rec")
@score("reconstruction error (ensemble)")
def rec(evidence: Evidence) -> Tensor:
    """Return (x - mean over the NDM)^2 / predicted variance, (B, 1, H, W)."""
    return over_channels((evidence.images - evidence.ndm.mean.mean(dim=0)).square() / noise_variance(evidence))
