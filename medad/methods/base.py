"""Define the interface of a method, and that of the loader that it gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from medad.config import Settings
from medad.training import Track
from medad.types import Scored, Study, TrainingSet


class Load(Protocol):
    """A loader of studies as images (N, C, S, S) in [-1, 1]; a volume gives one image for each slice."""

    @property
    def device(self) -> torch.device | str:
        """Return the device on which a method computes; images that do not fit there may stay on the CPU."""

    def __call__(self, studies: Sequence[Study]) -> Tensor:
        """Return the images of all studies, in order."""

    def stream(self, studies: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
        """Yield each study that can be read and its images on ``device``, about ``images`` in memory at a time."""

    def features(
        self, studies: Sequence[Study], extract: Callable[[Tensor], Tensor], *, name: str, block: int
    ) -> list[tuple[Study, Tensor]]:
        """Return each study that can be read with what ``extract`` gives for its N images, (N, D) on the CPU, in order.

        ``extract`` gets batches of exactly ``block`` images; the last is padded. Features that were computed under this
        ``name`` before may be read from a cache, so the name must hold everything that they depend on.
        """


@dataclass(frozen=True)
class CrossFitted:
    """Scores of studies by models that have learned neither the study nor another one of its patient.

    ``score`` names the method's score. ``normal_scores`` (n,) belong to the studies ``normal``, ``archive_scores`` (N,)
    to the studies ``archive``. Only comparisons between these studies have a meaning: the scale differs from that of
    :meth:`Method.score`.
    """

    score: str
    normal: Sequence[Study]
    normal_scores: NDArray[np.float64]
    archive: Sequence[Study]
    archive_scores: NDArray[np.float64]


@runtime_checkable
class CrossFits(Protocol):
    """A method that can judge the studies it learned from, since it learns quickly without any of them.

    A method has this ability if it has the method :meth:`cross_fit`; nothing is registered.
    """

    def cross_fit(self, data: TrainingSet, load: Load, *, rng: Generator) -> CrossFitted:
        """Learn repeatedly, each time without some of the patients, and score these patients' studies.

        The trained method itself is not changed. ``rng`` decides which patients are left out together.

        Raises:
            UndefinedMetric: there are too few patients.
        """


class Method(nn.Module, ABC):
    """A method learns from normal and unlabeled studies and then gives each image a value for each of its ``scores``.

    The layers depend on the settings alone, so that ``load_state_dict`` restores a newly built method; the only
    exception is the length of the buffers in :attr:`longest`. Everything that is learned is stored in parameters and
    buffers.
    """

    settings_model: ClassVar[type[Settings]] = Settings
    title: ClassVar[str]
    trivial: ClassVar[bool] = False  # True for a trivial baseline, which every useful method must exceed
    no_graph: ClassVar[str] = ""  # why :meth:`score` cannot be captured as a graph for other runtimes; "" if it can

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings

    @property
    @abstractmethod
    def scores(self) -> dict[str, str]:
        """Return the scores of :meth:`score`, in order: the name and the title in tables."""

    @property
    def primary(self) -> str:
        """Return the score that represents the method in comparisons: by default the last one.

        The choice is fixed by the method and never depends on test labels.
        """
        return list(self.scores)[-1]

    def rehearse(self, allow_download: bool = False) -> None:
        """Raise the errors that would stop :meth:`fit` at its start, such as a missing file.

        Files that :meth:`fit` needs are downloaded here, and only if ``allow_download``; ``fit`` downloads nothing.
        """

    @property
    def learned_archive(self) -> bool:
        """Whether the unlabeled studies entered the training, so that its scores of them are not those of new studies.

        Such a method can rank its archive only if it :class:`CrossFits`.
        """
        return bool(self.settings.uses_archive)

    @abstractmethod
    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Learn from ``data``, which holds no test study and no label.

        Args:
            data: The known normal and the unlabeled studies.
            load: The loader of the studies' images.
            track: The function that receives metrics (name, value, step).
            rng: The only source of randomness.
            keep: The folder of checkpoints from which a killed training resumes.

        Raises:
            TrainingError: the training cannot start, or it diverges.
        """

    @property
    def longest(self) -> dict[str, int]:
        """Return the greatest length of each buffer whose length (first dimension) training decides; by default none.

        Such a buffer has the length 1 in a newly built method. The greatest length follows from the settings.
        """
        return {}

    def resize(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Replace the buffers in :attr:`longest` by zeros of the lengths in ``shapes``, the shapes of stored tensors.

        A buffer that ``shapes`` lacks stays as it is.

        Raises:
            ValueError: a length is not between 1 and the greatest; nothing is allocated for it.
        """
        for name, most in self.longest.items():
            buffer, shape = self.get_buffer(name), tuple(shapes.get(name, ()))
            if not shape:
                continue
            if not 1 <= shape[0] <= most:
                raise ValueError(f"{name!r} has {shape[0]} rows, and the settings allow 1 to {most}")
            setattr(self, name, buffer.new_zeros(shape[0], *buffer.shape[1:]))

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load all tensors, as ``torch.nn.Module`` does, after :meth:`resize` to their lengths."""
        self.resize({name: tuple(state_dict[name].shape) for name in self.longest if name in state_dict})
        return super().load_state_dict(state_dict, *args, **kwargs)

    def check_tensors(self) -> None:
        """Raise ValueError if the loaded tensors hold a value that cannot be computed with, such as a wild index.

        That values are finite is checked for all methods before.
        """

    @abstractmethod
    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return for each score the image scores (B,) and maps (B, 1, S, S) of ``images`` (B, C, S, S) in [-1, 1]."""
