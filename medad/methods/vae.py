"""Variational autoencoder: the squared error of its reconstruction (Kingma and Welling, ICLR 2014; MedIAnomaly, 2025).

MedIAnomaly draws the code in evaluation too. Here the mean of the code is decoded, so that the score of an image is one
number, whatever else is scored with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor, nn

from medad.functional.discrepancy import over_channels
from medad.functional.losses import standard_normal_divergence
from medad.methods._reconstruction import ReconstructionMethod
from medad.methods._vae_settings import VAESettings
from medad.networks.base import decoder, encoder
from medad.registry import methods


class VariationalAutoencoder(nn.Module):
    """DDAD's encoder and decoder of other widths; the code is a normal distribution."""

    def __init__(self, settings: VAESettings) -> None:
        super().__init__()
        self.encoder = encoder(settings.channels, settings.size, 2 * settings.latent, settings.hidden)
        self.decoder = decoder(settings.channels, settings.size, settings.latent, settings.hidden)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the codes, each (B, latent), of ``images`` (B, C, S, S)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions (B, C, S, S) from the mean codes."""
        reconstructions: Tensor = self.decoder(self.encode(images)[0])
        return reconstructions


@methods.register("vae")
class VAE(ReconstructionMethod):
    """An autoencoder whose codes are drawn in training, and kept near a standard normal distribution."""

    settings_model = VAESettings
    title = "VAE"
    settings: VAESettings
    network: VariationalAutoencoder

    def build(self) -> nn.Module:
        """Build encoder and decoder."""
        return VariationalAutoencoder(self.settings)

    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Return the weight of the divergence."""
        return {"divergence_weight": self.settings.divergence_weight}

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the mean squared error from codes drawn by ``generator``, plus the weighted divergence."""
        mean, log_variance = self.network.encode(batch)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        remainder = self.network.decoder(mean + noise * (log_variance / 2).exp()) - batch
        divergence = standard_normal_divergence(mean, log_variance)
        loss: Tensor = remainder.square().mean() + self.settings.divergence_weight * divergence
        return loss

    def maps(self, images: Tensor) -> Tensor:
        """Return the squared error of the reconstruction from the mean code, averaged over the channels."""
        return over_channels((self.network(images) - images).square())
