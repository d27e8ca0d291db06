"""Denoising autoencoder: a U-Net that removes coarse noise (Kascenas et al., MIDL 2022; MedIAnomaly, 2025).

MedIAnomaly's code subtracts 1 from every noisy image while it centers the noise; that shift is not made here.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Generator, Tensor, nn

from medad.functional.discrepancy import over_channels
from medad.functional.noise import coarse_noise
from medad.methods._dae_settings import DAESettings
from medad.methods._reconstruction import ReconstructionMethod
from medad.networks._unet import UNet
from medad.registry import methods


@methods.register("dae")
class DAE(ReconstructionMethod):
    """What the network removes from an image as if it were noise is abnormal: the squared difference is the map."""

    settings_model = DAESettings
    title = "DAE"
    settings: DAESettings

    def build(self) -> nn.Module:
        """Build the U-Net."""
        return UNet(self.settings.channels, self.settings.width, self.settings.depth)

    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Return the settings of the noise."""
        return self.settings.model_dump(include={"noise", "noise_grid", "foreground"})

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the mean squared error of the denoised ``batch``."""
        settings = self.settings
        noisy = coarse_noise(batch, generator, settings.noise, settings.noise_grid, settings.foreground)
        loss: Tensor = (self.network(noisy) - batch).square().mean()
        return loss

    def maps(self, images: Tensor) -> Tensor:
        """Return the squared change that the network makes to ``images``, averaged over the channels."""
        return over_channels((self.network(images) - images).square())
