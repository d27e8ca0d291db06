"""What the reconstruction methods share: a network that reconstructs normal images and fails on abnormal ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from medad.methods._archive import training_studies
from medad.methods._reconstruction_settings import AutoencoderSettings, ReconstructionSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.networks.base import decoder, encoder, initialize
from medad.training import Task, Track, adam, spawn, train
from medad.types import Scored, TrainingSet

BETAS = (0.9, 0.999)  # of Adam in MedIAnomaly


class ReconstructionMethod(Method):
    """Train one network, which ``build`` makes, by ``loss``. The means of the ``maps`` are the scores.

    ``prepare`` is called with the training images before the training.
    """

    settings: ReconstructionSettings

    def __init__(self, settings: ReconstructionSettings) -> None:
        super().__init__(settings)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights as they are built
            self.network = self.build()
        # Channels-last weights are faster on a CPU.
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
        self.eval()

    @abstractmethod
    def build(self) -> nn.Module:
        """Build the network that is trained."""

    @abstractmethod
    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the loss of a ``batch`` (B, C, S, S), a scalar; ``generator`` is the only source of randomness."""

    @abstractmethod
    def maps(self, images: Tensor) -> Tensor:
        """Return the anomaly maps (B, 1, S, S) of ``images`` (B, C, S, S)."""

    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Prepare the training on ``images`` and return the values that determine its result; by default none."""
        return {}

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "rec"."""
        return {"rec": "reconstruction error"}

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train the network on the normal images, and on the unlabeled ones if ``use_archive``.

        Raises:
            TrainingError: there are too few images, or ``use_archive`` is set without unlabeled studies.
        """
        settings = self.settings
        images = load(training_studies(settings, data))
        self.to(torch.device(load.device))  # the images may stay on the CPU
        decisive = self.prepare(images)
        generator = spawn(rng)
        initialize(self.network, generator)
        task = Task(
            "network",
            self.network,
            partial(self.loss, generator),
            images,
            adam(self.network, settings.learning_rate, betas=BETAS),
            settings.batch_size,
            settings.epochs,
            generator,
            keep_last=len(images) % settings.batch_size != 1,  # a single image has no batch statistics
            also=decisive,
        )
        train([task], "train the network", track=track, keep=keep, amp=settings.amp)
        self.eval()

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the score of ``images`` (B, C, S, S), the mean of its map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        maps = self.maps(images)
        score = maps.mean(dim=(1, 2, 3))
        return dict.fromkeys(self.scores, Scored(score, maps, score[:, None]))


class AutoencoderMethod(ReconstructionMethod):
    """A reconstruction method whose network is DDAD's autoencoder with other widths, as in MedIAnomaly."""

    settings: AutoencoderSettings

    def build(self) -> nn.Module:
        """Build the autoencoder: images (B, C, S, S) -> reconstructions (B, C, S, S)."""
        settings = self.settings
        shape = settings.channels, settings.size, settings.latent, settings.hidden
        return nn.Sequential(encoder(*shape), decoder(*shape))
