"""f-AnoGAN: the distance to the nearest image that a GAN of normal images makes (Schlegl et al., MedIA 54, 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from medad.functional.adversarial import gradient_penalty
from medad.functional.discrepancy import over_channels
from medad.methods._archive import training_studies
from medad.methods._fanogan_settings import FAnoGANSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.networks._residual_gan import contracting, generating, layer_norm
from medad.networks.base import initialize
from medad.registry import methods
from medad.training import Opponent, Task, Track, adam, rmsprop, spawn, train
from medad.types import Scored, TrainingSet

BETAS = (0.0, 0.9)  # of Adam, for generator and critic


@methods.register("fanogan")
class FAnoGAN(Method):
    """A Wasserstein GAN learns normal images; then an encoder learns which code makes a given image ("izi_f").

    The published networks' weights start from another distribution than PyTorch's default, which is used here.
    """

    settings_model = FAnoGANSettings
    title = "f-AnoGAN"
    settings: FAnoGANSettings

    def __init__(self, settings: FAnoGANSettings) -> None:
        super().__init__(settings)
        shape, width = (settings.channels, settings.size), settings.width
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights as they are built
            self.players = nn.ModuleDict(
                {
                    "generator": generating(*shape, settings.latent, width),
                    "critic": contracting(*shape, 1, width, layer_norm),
                }
            )
            self.encoder = contracting(*shape, settings.latent, width, nn.BatchNorm2d)
        self.eval()

    @property
    def scores(self) -> dict[str, str]:
        """Return the score of the images alone, then the published one."""
        return {
            "rec": "squared error of the generated image",
            "izif": "the same, plus the squared error of the critic's features",
        }

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train the GAN, then the encoder, on the normal images, and on the unlabeled ones if ``use_archive``.

        Raises:
            TrainingError: there are too few images, or ``use_archive`` is set without unlabeled studies.
        """
        images = load(training_studies(self.settings, data))
        self.to(torch.device(load.device))  # the images may stay on the CPU
        learn = partial(train, track=track, keep=keep, amp=self.settings.amp)
        gan = self._gan_task(images, spawn(rng))
        encoder = self._encoder_task(images, spawn(rng))
        learn([gan], "train the GAN")
        self.eval()
        with _frozen(self.players):
            learn([encoder], "train the encoder")
        self.eval()

    def _gan_task(self, images: Tensor, generator: Generator) -> Task:
        settings = self.settings
        initialize(self.players, generator)
        critic = Opponent(
            "critic",
            partial(self._critic_loss, generator),
            adam(self.players["critic"], settings.learning_rate, betas=BETAS),
        )
        return Task(
            "generator",
            self.players,
            partial(self._generator_loss, generator),
            images,
            adam(self.players["generator"], settings.learning_rate, betas=BETAS),
            settings.batch_size,
            settings.epochs,
            generator,
            also={"penalty": settings.penalty},
            opponents=[critic],
            every=settings.critic_steps,
        )

    def _encoder_task(self, images: Tensor, generator: Generator) -> Task:
        settings = self.settings
        initialize(self.encoder, generator)
        return Task(
            "encoder",
            self.encoder,
            self._encoder_loss,
            images,
            rmsprop(self.encoder, settings.encoder_learning_rate),
            settings.batch_size,
            settings.encoder_epochs,
            generator,
            also={"feature_weight": settings.feature_weight},
        )

    def _generated(self, generator: Generator, batch: Tensor) -> Tensor:
        codes = torch.randn(len(batch), self.settings.latent, generator=generator)
        generated: Tensor = self.players["generator"](codes.to(batch))
        return generated

    def _generator_loss(self, generator: Generator, batch: Tensor) -> Tensor:
        loss: Tensor = -self.players["critic"](self._generated(generator, batch)).mean()
        return loss

    def _critic_loss(self, generator: Generator, batch: Tensor) -> Tensor:
        critic = self.players["critic"]
        with torch.no_grad():
            fake = self._generated(generator, batch)
        shares = torch.rand(len(batch), generator=generator)
        penalty = gradient_penalty(critic, batch, fake, shares)
        loss: Tensor = critic(fake).mean() - critic(batch).mean() + self.settings.penalty * penalty
        return loss

    def _encoder_loss(self, batch: Tensor) -> Tensor:
        maps, features = self._residuals(batch)
        return maps.mean() + self.settings.feature_weight * features.mean()

    def _residuals(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared errors of the generated images, (B, C, S, S), and of the critic's features, (B, D)."""
        generated = self.players["generator"](self.encoder(images))
        before_last = self.players["critic"][:-1]  # type: ignore[index]  # a Sequential
        return (generated - images).square(), (before_last(generated) - before_last(images)).square()

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return both scores of ``images`` (B, C, S, S), with the squared error of the generated image as their map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        errors, features = self._residuals(images)
        maps = over_channels(errors)
        rec = maps.mean(dim=(1, 2, 3))
        both = rec + self.settings.feature_weight * features.mean(dim=1)
        return {"rec": Scored(rec, maps, rec[:, None]), "izif": Scored(both, maps, both[:, None])}


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Compute no gradients of the parameters of ``network`` inside the context."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
