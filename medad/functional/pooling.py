"""Many slices, one study."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_slices(scores: Tensor, counts: list[int]) -> Tensor:
    """Scores of slices (N, ...) in study order, ``counts`` slices each -> scores of studies (S, ...): the highest."""
    return torch.stack([part.amax(dim=0) for part in torch.split(scores, counts)])


def study_score(members: Tensor) -> float:
    """Scores of one study's slices by each network (N, M) -> the study's: each network's highest, and their mean."""
    return float(members.amax(dim=0).double().mean())


def top_mean(maps: Tensor, share: float) -> Tensor:
    """Mean of the highest ``share`` (0 to 1) of the pixels, at least of one: (B, 1, H, W) -> (B,)."""
    pixels = maps.flatten(1)
    return pixels.topk(max(1, int(share * pixels.shape[1])), dim=1).values.mean(dim=1)
