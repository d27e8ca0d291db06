"""Many slices, one study."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_slices(scores: Tensor, counts: list[int]) -> Tensor:
    """Scores of slices (N, ...) in study order, ``counts`` slices each -> scores of studies (S, ...): the highest."""
    return torch.stack([part.amax(dim=0) for part in torch.split(scores, counts)])
