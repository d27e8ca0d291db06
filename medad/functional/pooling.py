"""Pool scores of slices to scores of studies, and scores of pixels to scores of images."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_slices(scores: Tensor, counts: list[int]) -> Tensor:
    """Return the highest slice score of each study, (S, ...).

    ``scores`` (N, ...) are those of all slices in study order; ``counts`` are the numbers of slices of the S studies.

    >>> pool_slices(torch.tensor([0.1, 0.9, 0.4]), [2, 1])
    tensor([0.9000, 0.4000])
    """
    return torch.stack([part.amax(dim=0) for part in torch.split(scores, counts)])


def study_score(members: Tensor) -> float:
    """Return the score of a study, the mean of the M networks' maxima over its N slices, from ``members`` (N, M).

    >>> study_score(torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
    2.0
    """
    return float(members.amax(dim=0).double().mean())


def top_mean(maps: Tensor, share: float) -> Tensor:
    """Return the mean (B,) of the highest ``share`` (0 to 1) of the pixels of ``maps`` (B, 1, H, W), at least one.

    >>> top_mean(torch.arange(4.0).view(1, 1, 2, 2), 0.5)
    tensor([2.5000])
    """
    pixels = maps.flatten(1)
    return pixels.topk(max(1, int(share * pixels.shape[1])), dim=1).values.mean(dim=1)
