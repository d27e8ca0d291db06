"""Intra-discrepancy of DDAD."""

from torch import Tensor

from medad.functional.discrepancy import over_channels, spread
from medad.registry import scores
from medad.scores.base import noise_scale, score
from medad.types import Evidence


@scores.register("intra")
@score("intra-discrepancy")
def intra(evidence: Evidence) -> Tensor:
    """Return the standard deviation over the NDM / sigma, (B, 1, H, W) (Cai et al., Medical Image Analysis 2023)."""
    return over_channels(spread(evidence.ndm.mean) / noise_scale(evidence))
