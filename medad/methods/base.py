"""What a method is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Generator, Tensor, nn

from medad.config import Settings
from medad.training import Track
from medad.types import Scored, Study, TrainingSet


class Load(Protocol):
    """Reads studies as images (N, C, S, S) in [-1, 1]; a volume gives one image for each slice."""

    @property
    def device(self) -> torch.device | str:
        """Where a method computes; images that do not fit there may stay on the CPU."""

    def __call__(self, studies: Sequence[Study]) -> Tensor:
        """Return the images of all studies, in order."""

    def stream(self, studies: Sequence[Study], images: int) -> Iterator[tuple[Study, Tensor]]:
        """Yield each study that can be read and its images on ``device``, about ``images`` in memory at a time."""


class Method(nn.Module, ABC):
    """Learns from normal studies, and unlabeled ones, and gives each image one score for each of ``scores``.

    The settings alone decide its layers, so that ``load_state_dict`` fills a method that was just built; what is
    learned lives in parameters and buffers.
    """

    settings_model: ClassVar[type[Settings]] = Settings
    title: ClassVar[str]
    trivial: ClassVar[bool] = False  # a baseline: what does not beat it has shown nothing

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings

    @property
    @abstractmethod
    def scores(self) -> dict[str, str]:
        """The names of the scores that :meth:`score` gives, in order, and what tables call them."""

    @property
    def primary(self) -> str:
        """The score that stands for the method where it is compared with others: the last one, unless it says else.

        No test label takes part in the choice.
        """
        return list(self.scores)[-1]

    def rehearse(self, allow_download: bool = False) -> None:
        """Raise now what would end :meth:`fit` at its start, such as a file that is not there.

        What :meth:`fit` needs from the network is fetched here, and only if ``allow_download``; ``fit`` never does it.
        """

    @abstractmethod
    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Learn from ``data``. It never sees a test study, nor any label.

        ``load`` reads studies; ``track`` takes what training reports; ``rng`` is the only randomness; ``keep`` is a
        folder where a killed training is continued from.
        """

    @abstractmethod
    def score(self, images: Tensor) -> dict[str, Scored]:
        """Images (B, C, S, S) in [-1, 1] -> for each score, image scores (B,) and maps (B, 1, S, S)."""
