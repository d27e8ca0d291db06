"""Score a batch in parts: on a CPU, several parts at a time, and in blocks of one fixed size."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medad.functional.capture import captured
from medad.types import Scored

if TYPE_CHECKING:
    from medad.methods.base import Method

Scores = dict[str, Scored]
BLOCK = 16  # images in a fixed block on a CPU: smaller ones fetch the weights of large linear layers too often
BLOCK_GPU = 64
LEAST, MOST = 8, 32  # images in a part: fewer read the weights too often; 64 were no faster and used fewer cores


def score_in_shares(score: Callable[[Tensor], Scores], images: Tensor) -> Scores:
    """Return the result of ``score`` for ``images`` (B, C, S, S), without gradients.

    On a CPU the parts run in parallel with one thread each: small networks gain little from a second thread and lose
    much when a core is busy. The scores do not depend on the parts, except for rounding. A batch that is captured as a
    graph is not divided.
    """
    if captured():
        return score(images)

    def scored(share: Tensor) -> Scores:
        with torch.inference_mode():  # applies to the calling thread only
            return score(share)

    threads = torch.get_num_threads()
    size = min(MOST, LEAST * math.ceil(len(images) / (LEAST * threads)))
    shares = torch.split(images, size) if images.device.type == "cpu" else (images,)
    workers = min(threads, len(shares))
    if workers == 1:
        return joined_scores([scored(share) for share in shares])
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return joined_scores(list(pool.map(scored, shares)))
    finally:
        torch.set_num_threads(threads)


def joined_scores(parts: list[Scores]) -> Scores:
    """Concatenate the scores of several batches, in order."""
    if len(parts) == 1:
        return parts[0]

    def joined(name: str, what: str) -> Tensor:
        return torch.cat([getattr(part[name], what) for part in parts])

    return {name: Scored(*(joined(name, what) for what in ("score", "anomaly_map", "members"))) for name in parts[0]}


class FixedBlocks:
    """Scores images in blocks of one fixed size, so that a score does not depend on the batch, to the last bit.

    PyTorch chooses its kernels by the shape of a batch, and kernels round differently: a study scored alone would
    differ in its last digits from the same study scored in a larger batch. So every block has the same number of
    images, padded with zero images, and no image enters the sums of another. ``threads`` blocks are scored in parallel
    on a CPU, with one thread each; on a GPU one block after the other.
    """

    def __init__(self, method: Method, threads: int) -> None:
        self.method = method
        self.device = next(iter(method.state_dict().values()), torch.zeros(())).device
        on_cpu = self.device.type == "cpu"
        self.size = BLOCK if on_cpu else BLOCK_GPU
        self.threads = threads if on_cpu else 1
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,))

    @property
    def room(self) -> int:
        """The number of images that keeps all threads busy."""
        return self.size * self.threads

    def __call__(self, images: Tensor) -> Scores:
        """Return the scores and maps of ``images`` (N, C, S, S) by name of the score, on the CPU."""
        return joined_scores(list(self._pool.map(self._scored, torch.split(images, self.size))))

    def _scored(self, images: Tensor) -> Scores:
        """Return the results of at most ``size`` images (N, C, S, S), on the CPU."""
        count = len(images)
        if count < self.size:
            images = torch.cat([images, images.new_zeros(self.size - count, *images.shape[1:])])
        with torch.inference_mode():
            results = self.method.score(images.to(self.device))
        cut = {name: rows_of(result, 0, count) for name, result in results.items()}
        return {
            name: Scored(part.score.cpu(), part.anomaly_map.cpu(), part.members.cpu()) for name, part in cut.items()
        }

    def close(self) -> None:
        """Stop the threads, and restore the number of threads of PyTorch."""
        self._pool.shutdown()
        torch.set_num_threads(self._before)


def rows_of(result: Scored, start: int, end: int) -> Scored:
    """Return the results of the images from ``start`` up to, not including, ``end``."""
    return Scored(result.score[start:end], result.anomaly_map[start:end], result.members[start:end])
