"""Run K networks as one ensemble."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from medad.types import Reconstruction, Reconstructions


class Ensemble(nn.Module):
    """K reconstruction networks of one architecture that differ in initialization and batch order."""

    def __init__(self, build: Callable[[], nn.Module], members: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(build() for _ in range(members))
        # Channels-last weights are faster on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it

    def forward(self, images: Tensor) -> Reconstructions:
        """Return the means of ``images`` (B, C, H, W), and the variances if predicted, each (K, B, C, H, W)."""
        reconstructions: list[Reconstruction] = [member(images) for member in self.members]
        mean = torch.stack([reconstruction.mean for reconstruction in reconstructions])
        logs = [
            reconstruction.log_variance for reconstruction in reconstructions if reconstruction.log_variance is not None
        ]
        return Reconstructions(mean, torch.stack(logs).exp() if logs else None)
