"""Pool scores of slices to scores of studies, and scores of pixels to scores of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def pool_slices(scores: Tensor, counts: list[int]) -> Tensor:
    """Return the highest slice score of each study, (S, ...).

    ``scores`` (N, ...) are those of all slices in study order; ``counts`` are the numbers of slices of the S studies.
    """
    import torch

    return torch.stack([part.amax(dim=0) for part in torch.split(scores, counts)])


def study_score(members: Tensor | NDArray[np.float32]) -> float:
    """Return the score of a study, the mean of the M networks' maxima over its N slices, from ``members`` (N, M)."""
    return float(np.asarray(members).max(axis=0).astype(np.float64).mean())


def top_mean(maps: Tensor, share: float) -> Tensor:
    """Return the mean (B,) of the highest ``share`` (0 to 1) of the pixels of ``maps`` (B, 1, H, W), at least one."""
    pixels = maps.flatten(1)
    return pixels.topk(max(1, int(share * pixels.shape[1])), dim=1).values.mean(dim=1)
