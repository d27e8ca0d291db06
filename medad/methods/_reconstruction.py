"""What the reconstruction methods share: a network that reconstructs normal images and fails on abnormal ones."""

from __future__ import annotations

from torch import nn

from medad.methods._network_method import NetworkMethod
from medad.methods._reconstruction_settings import AutoencoderSettings, ReconstructionSettings
from medad.networks.base import decoder, encoder


class ReconstructionMethod(NetworkMethod):
    """A method whose network is trained to reconstruct, and whose map is the error of the reconstruction."""

    settings: ReconstructionSettings

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "rec"."""
        return {"rec": "reconstruction error"}


class AutoencoderMethod(ReconstructionMethod):
    """A reconstruction method whose network is DDAD's autoencoder with other widths, as in MedIAnomaly."""

    settings: AutoencoderSettings

    def build(self) -> nn.Module:
        """Build the autoencoder: images (B, C, S, S) -> reconstructions (B, C, S, S)."""
        settings = self.settings
        shape = settings.channels, settings.size, settings.latent, settings.hidden
        return nn.Sequential(encoder(*shape), decoder(*shape))
