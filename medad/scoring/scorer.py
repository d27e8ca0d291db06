"""Scoring in passes of one fixed shape, so that a score is the same to the last bit in any company.

Kernels are chosen by the shape of a batch, and each rounds in its own way: a study scored alone or among others would
differ in its last digits. So every pass through the networks has the same number of images, filled up with zeros where
there are fewer, and what stands beside an image does not enter its sums. An interrupted run then gives the same bytes
as an undisturbed one, whatever was batched with what (tests/scoring/test_scorer.py).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from medad.methods.base import Method
from medad.methods.batching import joined_scores
from medad.scoring.engine.worker import Pixels
from medad.scoring.settings import ScoringError
from medad.types import Scored

BLOCK = 16  # images in a pass on a CPU: with fewer the weights of large linear layers are fetched too often
BLOCK_GPU = 64


class Scorer:
    """Scores with ``threads`` passes side by side, one thread each; on a GPU, one after the other."""

    def __init__(self, method: Method, threads: int) -> None:
        self.method = method
        state = next(iter(method.state_dict().values()), torch.zeros(()))
        self.device = state.device
        on_cpu = self.device.type == "cpu"
        self.block = BLOCK if on_cpu else BLOCK_GPU
        self.threads = threads if on_cpu else 1
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,))

    @property
    def room(self) -> int:
        """Images that fill one round of passes."""
        return self.block * self.threads

    def __call__(self, studies: list[Pixels]) -> list[dict[str, Scored]]:
        """The slices (N, C, S, S) of each study -> its scores and maps.

        Raises:
            ScoringError: the device has no memory left.
        """
        images = torch.from_numpy(np.concatenate(studies))
        try:
            scored = joined_scores(list(self._pool.map(self._pass, torch.split(images, self.block))))
        except torch.OutOfMemoryError:
            raise ScoringError("the device has no memory left for the model: free some, or use --device cpu") from None
        ends = [0, *accumulate(len(one) for one in studies)]
        return [
            {name: Scored(all_.score[a:b], all_.anomaly_map[a:b], all_.members[a:b]) for name, all_ in scored.items()}
            for a, b in pairwise(ends)
        ]

    def _pass(self, images: Tensor) -> dict[str, Scored]:
        count = len(images)
        if count < self.block:
            images = torch.cat([images, images.new_zeros(self.block - count, *images.shape[1:])])
        scored = self.method.score(images.to(self.device))
        return {
            name: Scored(one.score[:count].cpu(), one.anomaly_map[:count].cpu(), one.members[:count].cpu())
            for name, one in scored.items()
        }

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
        torch.set_num_threads(self._before)
