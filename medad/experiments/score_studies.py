"""Score studies one after another in bounded memory, for evaluation, pictures and color scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medad.data.loading import Loader, UnreadableStudies
from medad.functional.pooling import pool_slices
from medad.methods.base import Method
from medad.methods.batching import FixedBlocks, joined_scores, rows_of
from medad.progress import progress
from medad.types import Scored, Study


@dataclass(frozen=True)
class ScoredStudy:
    """A study, the images (N, C, S, S) of its N slices, and their scores by name, on the CPU."""

    study: Study
    slices: Tensor
    scores: dict[str, Scored]

    def members(self, name: str) -> NDArray[np.float64]:
        """Return the scores of the study, (M,): the pooled slice scores of each network evaluated separately."""
        pooled: NDArray[np.float64] = pool_slices(self.scores[name].members, [len(self.slices)])[0].double().numpy()
        return pooled

    def worst_slice(self, name: str) -> int:
        """Return the index of the slice with the highest score."""
        return int(self.scores[name].score.argmax())

    def maps(self, name: str) -> NDArray[np.float32]:
        """Return the anomaly maps (N, S, S) of the slices."""
        maps: NDArray[np.float32] = self.scores[name].anomaly_map[:, 0].float().numpy()
        return maps


def score_studies(method: Method, studies: Sequence[Study], loader: Loader) -> Iterator[ScoredStudy]:
    """Read ``studies`` and yield them scored, about one batch of slices at a time.

    They are scored in the fixed blocks of 'medad score', so that a calibration score equals, to the last bit, the score
    that the model gives the same study later. The loader decides whether unreadable studies are skipped or raise an
    error.

    Raises:
        UnreadableStudies: no study can be read.
    """
    count = 0
    with (
        closing(FixedBlocks(method, torch.get_num_threads())) as blocks,
        progress("score studies", len(studies)) as advance,
    ):
        for group in _batches(loader.stream(studies, method.settings.batch_size), method.settings.batch_size):
            scored = blocks(torch.cat([slices for _, slices in group]))
            start = 0
            for study, slices in group:
                end = start + len(slices)
                yield ScoredStudy(
                    study, slices.cpu(), {name: rows_of(scores, start, end) for name, scores in scored.items()}
                )
                start = end
            count += len(group)
            advance(len(group))
    if not count:
        raise UnreadableStudies("no study can be read")


def score_study(method: Method, study: Study, loader: Loader) -> ScoredStudy:
    """Read and score one study for a picture: without padding to a block, so that the last digits may differ.

    Raises:
        UnreadableStudies: the study cannot be read.
    """
    for _, slices in loader.stream([study], method.settings.batch_size):
        return ScoredStudy(study, slices.cpu(), score_images(method, slices))
    raise UnreadableStudies("no study can be read")


def _batches(stream: Iterator[tuple[Study, Tensor]], images: int) -> Iterator[list[tuple[Study, Tensor]]]:
    """Yield groups of studies that have at least ``images`` slices in total, except for the last group."""
    group: list[tuple[Study, Tensor]] = []
    for study_slices in stream:
        group.append(study_slices)
        if sum(len(slices) for _, slices in group) >= images:
            yield group
            group = []
    if group:
        yield group


def score_images(method: Method, images: Tensor) -> dict[str, Scored]:
    """Score images (N, C, S, S) batch by batch; return the scores by name on the CPU."""
    batches = torch.split(images, method.settings.batch_size)
    return joined_scores([{name: _on_cpu(scores) for name, scores in method.score(batch).items()} for batch in batches])


def _on_cpu(scored: Scored) -> Scored:
    return Scored(scored.score.cpu(), scored.anomaly_map.cpu(), scored.members.cpu())
