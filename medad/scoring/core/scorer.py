"""Score in batches of one fixed size, so that a score does not depend on the batch, to the last bit.

PyTorch chooses its kernels by the shape of a batch, and kernels round differently: a study scored alone would differ in
its last digits from the same study scored in a larger batch. So every batch has the same number of images, padded with
zero images, and no image enters the sums of another. An interrupted run then gives the same bytes as an undisturbed
one, however the images were batched.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medad.methods.base import Method
from medad.methods.batching import joined_scores
from medad.scoring.core.settings import ScoringError
from medad.types import Scored

Pixels = NDArray[np.float32]
BLOCK = 16  # images in a batch on a CPU: smaller ones fetch the weights of large linear layers too often
BLOCK_GPU = 64


class Scorer:
    """Scores ``threads`` batches in parallel on a CPU, with one thread each; on a GPU one batch after the other."""

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
        """The number of images that keeps all threads busy."""
        return self.block * self.threads

    def __call__(self, studies: list[Pixels]) -> list[dict[str, Scored]]:
        """Return the scores and maps of each study by name of the score, given its slices (N, C, S, S).

        Raises:
            ScoringError: the device is out of memory.
        """
        images = torch.from_numpy(np.concatenate(studies))
        try:
            scored = joined_scores(list(self._pool.map(self._score_batch, torch.split(images, self.block))))
        except torch.OutOfMemoryError:
            raise ScoringError("the device has no memory left for the model: free some, or use --device cpu") from None
        ends = [0, *accumulate(len(slices) for slices in studies)]
        return [{name: _rows(result, start, end) for name, result in scored.items()} for start, end in pairwise(ends)]

    def _score_batch(self, images: Tensor) -> dict[str, Scored]:
        """Return the results of at most ``block`` images (N, C, S, S), on the CPU."""
        count = len(images)
        if count < self.block:
            images = torch.cat([images, images.new_zeros(self.block - count, *images.shape[1:])])
        scored = self.method.score(images.to(self.device))
        cut = {name: _rows(result, 0, count) for name, result in scored.items()}
        return {
            name: Scored(part.score.cpu(), part.anomaly_map.cpu(), part.members.cpu()) for name, part in cut.items()
        }

    def close(self) -> None:
        """Stop the threads, and restore the number of threads of PyTorch."""
        self._pool.shutdown()
        torch.set_num_threads(self._before)


def _rows(result: Scored, start: int, end: int) -> Scored:
    """Return the results of the images from ``start`` up to, not including, ``end``."""
    return Scored(result.score[start:end], result.anomaly_map[start:end], result.members[start:end])
