"""Autoencoder: the squared or absolute error of its reconstruction (Cai et al., MedIAnomaly, 2025)."""

from __future__ import annotations

from torch import Generator, Tensor

from medad.functional.discrepancy import over_channels
from medad.methods._autoencoder_settings import PlainAutoencoderSettings
from medad.methods._reconstruction import AutoencoderMethod
from medad.registry import methods


@methods.register("autoencoder")
class Autoencoder(AutoencoderMethod):
    """One autoencoder of MedIAnomaly's widths; the same difference is its loss and its map.

    DDAD's single networks (``ddad`` with the score "single") differ in width, learning rate and optimizer.
    """

    settings_model = PlainAutoencoderSettings
    title = "autoencoder"
    settings: PlainAutoencoderSettings

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the mean difference of a ``batch`` and its reconstruction."""
        return self._difference(batch).mean()

    def maps(self, images: Tensor) -> Tensor:
        """Return the difference of ``images`` and their reconstructions, averaged over the channels."""
        return over_channels(self._difference(images))

    def _difference(self, images: Tensor) -> Tensor:
        remainder: Tensor = self.network(images) - images
        return remainder.square() if self.settings.difference == "squared" else remainder.abs()
