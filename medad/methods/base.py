"""Define the interface of a method, and that of the loader that it gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
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


class Method(nn.Module, ABC):
    """A method learns from normal and unlabeled studies and then gives each image a value for each of its ``scores``.

    The layers depend on the settings alone, so that ``load_state_dict`` restores a newly built method; the only
    exception is the length of the buffers in :attr:`longest`. Everything that is learned is stored in parameters and
    buffers.
    """

    settings_model: ClassVar[type[Settings]] = Settings
    title: ClassVar[str]
    trivial: ClassVar[bool] = False  # True for a trivial baseline, which every useful method must exceed

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
