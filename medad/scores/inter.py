"""Inter-discrepancy of DDAD."""

from torch import Tensor

from medad.functional.discrepancy import gap, over_channels
from medad.registry import scores
from medad.scores.base import noise_scale, score
from medad.types import Evidence


@scores.register("inter")
@score("inter-discrepancy", needs_udm=True)
def inter(evidence: Evidence) -> Tensor:
    """Return ``|mean over the UDM - mean over the NDM| / sigma``, (B, 1, H, W) (Cai et al., Med. Image Anal. 2023).

    Raises:
        ValueError: the model has no UDM.
    """
    if evidence.udm is None:
        raise ValueError("'inter' compares two modules; this model has no UDM")
    return over_channels(gap(evidence.udm.mean, evidence.ndm.mean) / noise_scale(evidence))
