"""What methods share that train one network: its training, and the mean of its map as the score."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from medad.methods._archive import training_studies
from medad.methods._network_settings import NetworkSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.networks.base import initialize
from medad.training import CosineDecay, Decay, Task, Track, adam, spawn, train
from medad.types import Scored, TrainingSet

BETAS = (0.9, 0.999)  # of Adam in MedIAnomaly


class NetworkMethod(Method):
    """Train one network, which ``build`` makes, by ``loss``. The means of the ``maps`` are the scores.

    ``prepare`` is called with the training images before the training, and ``finish`` after it. ``steps``, if it is not
    None, is the number of batches in an epoch.
    """

    settings: NetworkSettings
    channels_last: ClassVar[bool] = True  # the layout of the weights, which is faster on a CPU
    steps: int | None = None

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights as they are built
            self.network = self.build()
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        self.network.to(memory_format=layout)  # type: ignore[call-overload]  # PyTorch's stubs lack it
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

    def start(self, generator: Generator) -> None:
        """Draw the initial weights of the network, by default PyTorch's, from ``generator``."""
        initialize(self.network, generator)

    def optimizer(self) -> Optimizer:
        """Return the optimizer of the network, by default MedIAnomaly's Adam."""
        return adam(self.network, self.settings.learning_rate, betas=BETAS)

    def decay(self) -> Decay | CosineDecay:
        """Return how the learning rate falls; by default it does not."""
        return Decay()

    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Prepare the training on ``images`` and return the values that determine its result; by default none."""
        return {}

    def finish(self, images: Tensor, rng: Generator) -> None:
        """Learn what the trained network, in evaluation mode, says of the training ``images``; by default nothing."""

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
        self.start(generator)
        task = Task(
            "network",
            self.network,
            partial(self.loss, generator),
            images,
            self.optimizer(),
            settings.batch_size,
            settings.epochs,
            generator,
            decay=self.decay(),
            keep_last=len(images) % settings.batch_size != 1,  # a single image has no batch statistics
            steps=self.steps,
            also=decisive,
        )
        train([task], "train the network", track=track, keep=keep, amp=settings.amp)
        self.eval()
        self.finish(images, rng)

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the scores of ``images`` (B, C, S, S) with their maps."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        maps = self.maps(images)
        score = maps.mean(dim=(1, 2, 3))
        return dict.fromkeys(self.scores, Scored(score, maps, score[:, None]))
