"""A method's scoring as one module, which PyTorch can capture as a graph."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from medad.methods.base import Method


@dataclass(frozen=True)
class Outputs:
    """The scores of a method: ``names`` in order, and the number ``members`` of networks that each one evaluates."""

    names: tuple[str, ...]
    members: tuple[int, ...]


class Graph(nn.Module):
    """Images (B, C, S, S) in [-1, 1] -> scores (B, n), members (B, M) and maps (B, n, S, S) of the n scores.

    The members of all scores are side by side, in the order of :class:`Outputs`. The module works on a copy of
    ``method`` on the CPU, with contiguous weights, so that capturing changes nothing in ``method``.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = contiguous(copy.deepcopy(method).cpu()).eval().requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores, members and maps of ``images``."""
        scored = self.method.score(images).values()
        return (
            torch.stack([result.score for result in scored], dim=1),
            torch.cat([result.members for result in scored], dim=1),
            torch.cat([result.anomaly_map for result in scored], dim=1),
        )

    @torch.no_grad()
    def outputs(self) -> Outputs:
        """Return the names and the numbers of members of the scores, by scoring two images."""
        settings = self.method.settings
        scored = self.method.score(torch.zeros(2, settings.channels, settings.size, settings.size))
        return Outputs(tuple(scored), tuple(result.members.shape[1] for result in scored.values()))


def contiguous(method: Method) -> Method:
    """Give all weights of ``method`` the default order in memory, and return it: a graph stores no other order."""
    for tensor in (*method.parameters(), *method.buffers()):
        tensor.data = tensor.data.contiguous()
    return method
