"""Compute features of studies in batches of one size.

A batch always has the same number of images, padded with zeros, because PyTorch chooses its kernels by the shape of a
batch: so a feature does not depend on which other studies were computed with it, and a cached one equals a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from medad.types import Study

Extract = Callable[[Tensor], Tensor]  # images (block, C, S, S) to features (block, D)


def extract_in_blocks(
    images: Iterable[tuple[Study, Tensor]], extract: Extract, block: int
) -> Iterator[tuple[Study, Tensor]]:
    """Yield each study with its features (N, D) on the CPU, given its slices (N, C, S, S).

    ``extract`` always gets ``block`` images; the last batch is padded with zero images.
    """
    waiting: list[tuple[Study, Tensor]] = []
    count = 0
    for study, slices in images:
        waiting.append((study, slices))
        count += len(slices)
        if count >= block:
            yield from _extract(waiting, extract, block)
            waiting, count = [], 0
    if waiting:
        yield from _extract(waiting, extract, block)


def _extract(studies: Sequence[tuple[Study, Tensor]], extract: Extract, block: int) -> Iterator[tuple[Study, Tensor]]:
    images = torch.cat([slices for _, slices in studies])
    padding = -len(images) % block
    padded = torch.cat([images, images.new_zeros(padding, *images.shape[1:])]) if padding else images
    with torch.inference_mode():
        features = torch.cat([extract(batch).cpu() for batch in torch.split(padded, block)])
    counts = [len(slices) for _, slices in studies]
    parts = torch.split(features[: len(images)], counts)
    yield from zip((study for study, _ in studies), parts, strict=True)
