"""Choose the studies that a method with the setting ``use_archive`` learns from, and pass over their images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from medad.methods._archive_settings import ArchiveSettings
from medad.methods.base import Load
from medad.progress import progress
from medad.training import TrainingError
from medad.types import Study, TrainingSet


def training_studies(settings: ArchiveSettings, data: TrainingSet) -> tuple[Study, ...]:
    """Return the normal studies of ``data``, followed by its unlabeled ones if ``settings.use_archive``.

    Raises:
        TrainingError: unlabeled studies are asked for, and there are none.
    """
    if not settings.use_archive:
        return data.normal
    if not data.unlabeled:
        raise TrainingError(
            "use_archive=true learns from unlabeled studies and there are none: give some, or learn from normals "
            "alone (--set use_archive=false)"
        )
    return (*data.normal, *data.unlabeled)


def batches(studies: Sequence[Study], load: Load, size: int, task: str) -> Iterator[Tensor]:
    """Yield the images of ``studies`` once, in order, in batches (``size``, C, S, S); the last may have fewer.

    About two batches are in memory at a time. ``task`` names the progress bar.
    """
    waiting: list[Tensor] = []
    with progress(task, len(studies)) as advance:
        for _, images in load.stream(studies, size):
            waiting.append(images)
            if sum(map(len, waiting)) >= size:
                *complete, rest = torch.split(torch.cat(waiting), size)
                yield from complete
                waiting = [rest]
            advance(1)
        if waiting:
            yield from torch.split(torch.cat(waiting), size)
