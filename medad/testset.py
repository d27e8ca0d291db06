"""Studies scored in memory: what evaluation, pictures and color scales are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medad.data.loading import Loader
from medad.functional.pooling import pool_slices
from medad.methods._method import Method
from medad.methods._shares import joined_scores
from medad.types import Scored, Study


@dataclass(frozen=True)
class ScoredSet:
    """``slices`` holds the images (N, C, S, S) of each study; ``scores`` those of all slices, in the same order."""

    studies: tuple[Study, ...]
    slices: list[Tensor]
    scores: dict[str, Scored]

    @property
    def counts(self) -> list[int]:
        """Slices in each study."""
        return [len(part) for part in self.slices]

    def members(self, name: str) -> NDArray[np.float64]:
        """Scores of the studies (S, M): the highest of their slices, for each network that is judged by itself."""
        pooled: NDArray[np.float64] = pool_slices(self.scores[name].members, self.counts).double().numpy()
        return pooled

    def worst_slice(self, name: str, study: int) -> int:
        """The slice of a study with the highest score."""
        start = sum(self.counts[:study])
        return int(self.scores[name].score[start : start + self.counts[study]].argmax())

    def map(self, name: str, study: int, slice_: int) -> Tensor:
        """The map (1, S, S) of one slice."""
        return self.scores[name].anomaly_map[sum(self.counts[:study]) + slice_]

    def localization(self, study: int, mask: Tensor | None) -> float | None:
        """How well the maps rank the pixels of ``mask`` (N, 1, S, S) above the others: AUROC, the mean over the scores.

        None where there is no mask, or nothing in it.
        """
        if mask is None or not 0 < float(mask.mean()) < 1:
            return None
        from sklearn.metrics import roc_auc_score

        start = sum(self.counts[:study])
        part = slice(start, start + self.counts[study])
        marked = mask.flatten().numpy()
        return float(
            np.mean([roc_auc_score(marked, one.anomaly_map[part].flatten().numpy()) for one in self.scores.values()])
        )


def score_set(method: Method, studies: Sequence[Study], loader: Loader) -> ScoredSet:
    """Read and score ``studies``; the scores come back to the CPU."""
    slices = loader.each(studies)
    return ScoredSet(tuple(studies), slices, score_images(method, torch.cat(slices)))


def score_images(method: Method, images: Tensor) -> dict[str, Scored]:
    """Scores of images (N, C, S, S), a batch at a time, on the CPU."""
    batches = torch.split(images, method.settings.batch_size)
    return joined_scores([{name: _on_cpu(one) for name, one in method.score(batch).items()} for batch in batches])


def _on_cpu(scored: Scored) -> Scored:
    return Scored(scored.score.cpu(), scored.anomaly_map.cpu(), scored.members.cpu())
