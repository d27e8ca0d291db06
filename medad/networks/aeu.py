"""AE-U: the autoencoder that also predicts its noise."""

from __future__ import annotations

from torch import Tensor

from medad.networks.ae import AE
from medad.registry import networks
from medad.types import Reconstruction


@networks.register("aeu")
class AEU(AE):
    """AE with a log variance for each pixel: images (B, C, S, S) -> mean and log variance, each (B, C, S, S)."""

    predicts = 2

    def forward(self, images: Tensor) -> Reconstruction:
        """Return mean and log variance, each (B, C, S, S), of ``images`` (B, C, S, S)."""
        mean, log_variance = self.decoder(self.encoder(images)).chunk(2, dim=1)
        return Reconstruction(mean, log_variance)
