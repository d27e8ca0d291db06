"""What a score is, and the two ways to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from medad.registry import scores
from medad.types import Evidence

Read = Callable[[Evidence], Tensor]


@dataclass(frozen=True)
class Score:
    """``read`` turns evidence into maps (B, M, H, W); ``refines`` names the maps that an ASR-Net makes one map of."""

    title: str
    read: Read
    needs_udm: bool = False
    refines: tuple[str, ...] = ()

    def __call__(self, evidence: Evidence) -> Tensor:
        """Evidence -> maps (B, M, H, W); for a refined score, the maps before refinement."""
        return self.read(evidence)


def score(title: str, needs_udm: bool = False) -> Callable[[Read], Score]:
    """Decorate a function of evidence as a score; ``title`` is what tables and pictures call it."""
    return lambda read: Score(title, read, needs_udm)


def refined(title: str, *inputs: str) -> Score:
    """The score of an ASR-Net that reads the maps of the scores named ``inputs``, in that order."""
    parts: list[Score] = [scores.get(name) for name in inputs]
    needs_udm = any(part.needs_udm for part in parts)
    return Score(title, lambda evidence: torch.cat([part(evidence) for part in parts], dim=1), needs_udm, inputs)


def noise_variance(evidence: Evidence) -> Tensor | float:
    """Mean over the NDM of the predicted variance (B, C, H, W), or 1 where the networks predict none."""
    return 1.0 if evidence.ndm.variance is None else evidence.ndm.variance.mean(dim=0)


def noise_scale(evidence: Evidence) -> Tensor | float:
    """Square root of :func:`noise_variance`."""
    return noise_variance(evidence) ** 0.5
