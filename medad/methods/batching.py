"""Score a batch in parts: on a CPU, several parts at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from medad.functional.capture import captured
from medad.types import Scored

Scores = dict[str, Scored]
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
