"""Pool scores of slices to scores of studies, and scores of pixels to scores of images."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item", bound=Hashable)


def pool_slices(scores: Tensor, counts: list[int]) -> Tensor:
    """Return the highest slice score of each study, (S, ...).

    ``scores`` (N, ...) are those of all slices in study order; ``counts`` are the numbers of slices of the S studies.

    >>> import torch
    >>> pool_slices(torch.tensor([0.1, 0.9, 0.4]), [2, 1])
    tensor([0.9000, 0.4000])
    """
    import torch

    return torch.stack([part.amax(dim=0) for part in torch.split(scores, counts)])


def study_score(members: Tensor | NDArray[np.float32]) -> float:
    """Return the score of a study, the mean of the M networks' maxima over its N slices, from ``members`` (N, M).

    >>> study_score(np.array([[1.0, 0.0], [0.0, 3.0]]))
    2.0
    """
    return float(np.asarray(members).max(axis=0).astype(np.float64).mean())


def top_mean(maps: Tensor, share: float) -> Tensor:
    """Return the mean (B,) of the highest ``share`` (0 to 1) of the pixels of ``maps`` (B, 1, H, W), at least one.

    >>> import torch
    >>> top_mean(torch.arange(4.0).view(1, 1, 2, 2), 0.5)
    tensor([2.5000])
    """
    pixels = maps.flatten(1)
    return pixels.topk(max(1, int(share * pixels.shape[1])), dim=1).values.mean(dim=1)


def highest_by_item(items: Sequence[Item], values: NDArray[np.float64]) -> tuple[list[Item], NDArray[np.float64]]:
    """Return the distinct ``items`` in the order of their first occurrence, and the highest of the values of each.

    ``values`` (N,) belong to ``items`` one by one.

    >>> highest_by_item(["a", "b", "a"], np.array([1.0, 2.0, 3.0]))
    (['a', 'b'], array([3., 2.]))
    """
    highest: dict[Item, float] = {}
    for item, value in zip(items, values.tolist(), strict=True):
        highest[item] = max(value, highest.get(item, value))
    return list(highest), np.array(list(highest.values()), np.float64)
