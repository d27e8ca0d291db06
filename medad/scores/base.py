"""Define a score, and the two ways to create one: the decorator :func:`score`, and :func:`refined`."""

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
    """A score of DDAD. ``read`` computes maps (B, M, H, W) from evidence.

    ``refines`` names the scores whose maps an ASR-Net refines to one map; it is empty for other scores.
    """

    title: str
    read: Read
    needs_udm: bool = False
    refines: tuple[str, ...] = ()

    def __call__(self, evidence: Evidence) -> Tensor:
        """Return the maps (B, M, H, W) of ``evidence``; for a refined score, the maps before refinement."""
        return self.read(evidence)


def score(title: str, needs_udm: bool = False) -> Callable[[Read], Score]:
    """Return a decorator that makes a score of a function of evidence; ``title`` is its name in tables and pictures."""
    return lambda read: Score(title, read, needs_udm)


def refined(title: str, *inputs: str) -> Score:
    """Return the score of an ASR-Net that refines the maps of the scores named ``inputs``, in that order."""
    parts: list[Score] = [scores.get(name) for name in inputs]
    needs_udm = any(part.needs_udm for part in parts)
    return Score(title, lambda evidence: torch.cat([part(evidence) for part in parts], dim=1), needs_udm, inputs)


def noise_variance(evidence: Evidence) -> Tensor | float:
    """Return the mean over the NDM of the predicted variance, (B, C, H, W), or 1 if the networks predict none."""
    return 1.0 if evidence.ndm.variance is None else evidence.ndm.variance.mean(dim=0)


def noise_scale(evidence: Evidence) -> Tensor | float:
    """Return the square root of :func:`noise_variance`."""
    return noise_variance(evidence) ** 0.5
