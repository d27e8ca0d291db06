"""GANomaly: an image whose reconstruction has another code is abnormal (Akcay et al., ACCV 2018).

The networks are those of MedIAnomaly (Cai et al., Medical Image Analysis, 2025). There and in GANomaly's own code the
test images are scored with batch statistics, so that a score depends on the other images in the batch. Here scores use
the running statistics of training.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm

from medad.functional.discrepancy import over_channels
from medad.methods._archive import training_studies
from medad.methods._ganomaly_settings import GANomalySettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.networks.base import decoder, encoder, initialize
from medad.registry import methods
from medad.training import Opponent, Task, Track, adam, spawn, train
from medad.types import Scored, TrainingSet

BETAS = (0.9, 0.999)  # of Adam in MedIAnomaly
DEFEATED = 1e-5  # mean loss of an epoch below which the discriminator starts anew; published
DEVIATION = 0.02  # of the weights with which it does
WEIGHTS = {"contextual", "adversarial_weight", "contextual_weight", "encoding_weight"}  # settings that form the loss


class Players(nn.Module):
    """The generator (encoder, decoder, second encoder) and the discriminator, whose last layer gives a logit."""

    def __init__(self, settings: GANomalySettings) -> None:
        super().__init__()
        shape = settings.channels, settings.size

        def encoding(width: int) -> nn.Sequential:
            return encoder(*shape, width, settings.hidden, normalized=False)

        self.generator = nn.ModuleDict(
            {
                "encoder": encoding(settings.latent),
                "decoder": decoder(*shape, settings.latent, settings.hidden, normalized=False),
                "second_encoder": encoding(settings.latent),
            }
        )
        self.discriminator = encoding(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstructions (B, C, S, S) of ``images``, the codes of both, each (B, latent)."""
        codes = self.generator["encoder"](images)
        reconstructions = self.generator["decoder"](codes)
        return reconstructions, codes, self.generator["second_encoder"](reconstructions)

    def features(self, images: Tensor) -> Tensor:
        """Return the discriminator's features (B, hidden) before its last layer."""
        features: Tensor = self.discriminator[:-1](images)
        return features


@methods.register("ganomaly")
class GANomaly(Method):
    """A generator reconstructs images so that a discriminator does not know them from real ones."""

    settings_model = GANomalySettings
    title = "GANomaly"
    settings: GANomalySettings

    def __init__(self, settings: GANomalySettings) -> None:
        super().__init__(settings)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights as they are built
            self.players = Players(settings)
        self.eval()

    @property
    def scores(self) -> dict[str, str]:
        """Return the score of the reconstruction, then the published one of the codes."""
        return {"rec": "reconstruction error", "latent": "distance of the code from that of the reconstruction"}

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Train generator and discriminator on the normal images, and on the unlabeled ones if ``use_archive``.

        Raises:
            TrainingError: there are too few images, or ``use_archive`` is set without unlabeled studies.
        """
        settings, players = self.settings, self.players
        images = load(training_studies(settings, data))
        self.to(torch.device(load.device))  # the images may stay on the CPU
        generator = spawn(rng)
        initialize(players, generator)
        discriminator = Opponent(
            "discriminator",
            self._discriminator_loss,
            adam(players.discriminator, settings.learning_rate, betas=BETAS),
        )
        task = Task(
            "generator",
            players,
            self._generator_loss,
            images,
            adam(players.generator, settings.learning_rate, betas=BETAS),
            settings.batch_size,
            settings.epochs,
            generator,
            keep_last=len(images) % settings.batch_size != 1,  # a single image has no batch statistics
            also=settings.model_dump(include=WEIGHTS),
            opponents=[discriminator],
            prepare=partial(self._restart, discriminator, generator),
        )
        train([task], "train GANomaly", track=track, keep=keep, amp=settings.amp)
        self.eval()

    def _generator_loss(self, batch: Tensor) -> Tensor:
        settings = self.settings
        reconstructions, codes, second_codes = self.players(batch)
        remainder = reconstructions - batch
        contextual = remainder.square() if settings.contextual == "squared" else remainder.abs()
        with torch.no_grad():
            real = self.players.features(batch)
        adversarial = (self.players.features(reconstructions) - real).square().mean()
        loss: Tensor = (
            settings.adversarial_weight * adversarial
            + settings.contextual_weight * contextual.mean()
            + settings.encoding_weight * (second_codes - codes).square().mean()
        )
        return loss

    def _discriminator_loss(self, batch: Tensor) -> Tensor:
        """Return the mean cross-entropy of a real and a reconstructed batch; the generator gets no gradient."""
        with torch.no_grad():
            reconstructions, _, _ = self.players(batch)
        real, fake = self.players.discriminator(batch), self.players.discriminator(reconstructions)
        losses = [
            binary_cross_entropy_with_logits(real, torch.ones_like(real)),
            binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)),
        ]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _restart(self, discriminator: Opponent, generator: Generator) -> None:
        """Draw new weights of the discriminator if its mean loss in the last epoch was below ``DEFEATED``."""
        if not discriminator.losses or discriminator.losses[-1] >= DEFEATED:
            return
        for layer in self.players.discriminator:
            if isinstance(layer, (nn.Conv2d, _BatchNorm)):
                drawn = torch.randn(layer.weight.shape, generator=generator) * DEVIATION
                layer.weight.copy_(drawn if isinstance(layer, nn.Conv2d) else 1 + drawn)
            if isinstance(layer, _BatchNorm):
                layer.bias.zero_()

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return both scores of ``images`` (B, C, S, S), with the squared error of the reconstruction as their map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        reconstructions, codes, second_codes = self.players(images)
        maps = over_channels((reconstructions - images).square())
        rec, latent = maps.mean(dim=(1, 2, 3)), (second_codes - codes).square().mean(dim=1)
        return {"rec": Scored(rec, maps, rec[:, None]), "latent": Scored(latent, maps, latent[:, None])}
