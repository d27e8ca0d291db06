"""Score prepared studies in blocks of one fixed size (:class:`medad.methods.batching.FixedBlocks`).

An interrupted run then gives the same bytes as an undisturbed one, however the images were batched.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
import torch

from medad.methods.base import Method
from medad.methods.batching import BLOCK, BLOCK_GPU, FixedBlocks, rows_of
from medad.scoring.core.entries import Pixels
from medad.scoring.core.settings import ScoringError
from medad.types import Scored

__all__ = ["BLOCK", "BLOCK_GPU", "Scorer"]


class Scorer:
    """Scores the slices of studies, ``threads`` blocks in parallel on a CPU."""

    def __init__(self, method: Method, threads: int) -> None:
        self._blocks = FixedBlocks(method, threads)

    @property
    def room(self) -> int:
        """The number of images that keeps all threads busy."""
        return self._blocks.room

    def __call__(self, studies: list[Pixels]) -> list[dict[str, Scored]]:
        """Return the scores and maps of each study by name of the score, given its slices (N, C, S, S).

        Raises:
            ScoringError: the device is out of memory.
        """
        try:
            scored = self._blocks(torch.from_numpy(np.concatenate(studies)))
        except torch.OutOfMemoryError:
            raise ScoringError("the device has no memory left for the model: free some, or use --device cpu") from None
        ends = [0, *accumulate(len(slices) for slices in studies)]
        return [{name: rows_of(result, start, end) for name, result in scored.items()} for start, end in pairwise(ends)]

    def close(self) -> None:
        """Stop the threads, and restore the number of threads of PyTorch."""
        self._blocks.close()
