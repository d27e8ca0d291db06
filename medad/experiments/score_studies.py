"""Studies scored one after another, in bounded memory: what evaluation, pictures and color scales are made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medad.data.loading import Loader, UnreadableStudies
from medad.functional.pooling import pool_slices
from medad.methods.base import Method
from medad.methods.batching import joined_scores
from medad.progress import progress
from medad.types import Scored, Study


@dataclass(frozen=True)
class ScoredStudy:
    """A study, the images (N, C, S, S) of its slices, and the scores of these, on the CPU."""

    study: Study
    slices: Tensor
    scores: dict[str, Scored]

    def members(self, name: str) -> NDArray[np.float64]:
        """Scores of the study (M,): the highest of its slices, for each network that is judged by itself."""
        pooled: NDArray[np.float64] = pool_slices(self.scores[name].members, [len(self.slices)])[0].double().numpy()
        return pooled

    def worst_slice(self, name: str) -> int:
        """The slice with the highest score."""
        return int(self.scores[name].score.argmax())

    def maps(self, name: str) -> NDArray[np.float32]:
        """The maps (N, S, S) of its slices."""
        maps: NDArray[np.float32] = self.scores[name].anomaly_map[:, 0].float().numpy()
        return maps


def score_studies(method: Method, studies: Sequence[Study], loader: Loader) -> Iterator[ScoredStudy]:
    """Read and score ``studies``, about a batch of slices at a time; what cannot be read is left to the loader.

    Raises:
        UnreadableStudies: no study can be read.
    """
    count = 0
    with progress("score studies", len(studies)) as advance:
        for group in _batches(loader.stream(studies, method.settings.batch_size), method.settings.batch_size):
            scored = score_images(method, torch.cat([slices for _, slices in group]))
            start = 0
            for study, slices in group:
                yield ScoredStudy(study, slices.cpu(), _part(scored, slice(start, start + len(slices))))
                start += len(slices)
            count += len(group)
            advance(len(group))
    if not count:
        raise UnreadableStudies("no study can be read")


def score_study(method: Method, study: Study, loader: Loader) -> ScoredStudy:
    """One study, read and scored."""
    return next(score_studies(method, [study], loader))


def _batches(stream: Iterator[tuple[Study, Tensor]], images: int) -> Iterator[list[tuple[Study, Tensor]]]:
    """Studies in groups that have about ``images`` slices together."""
    group: list[tuple[Study, Tensor]] = []
    for study_slices in stream:
        group.append(study_slices)
        if sum(len(slices) for _, slices in group) >= images:
            yield group
            group = []
    if group:
        yield group


def _part(scored: dict[str, Scored], place: slice) -> dict[str, Scored]:
    return {
        name: Scored(scores.score[place], scores.anomaly_map[place], scores.members[place])
        for name, scores in scored.items()
    }


def score_images(method: Method, images: Tensor) -> dict[str, Scored]:
    """Scores of images (N, C, S, S), a batch at a time, on the CPU."""
    batches = torch.split(images, method.settings.batch_size)
    return joined_scores([{name: _on_cpu(scores) for name, scores in method.score(batch).items()} for batch in batches])


def _on_cpu(scored: Scored) -> Scored:
    return Scored(scored.score.cpu(), scored.anomaly_map.cpu(), scored.members.cpu())
