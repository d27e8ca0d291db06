"""The autoencoder of DDAD (Cai et al., Medical Image Analysis 86:102794, 2023)."""

from __future__ import annotations

from torch import Tensor, nn

from medad.networks.base import decoder, encoder
from medad.registry import networks
from medad.types import Reconstruction


@networks.register("ae")
class AE(nn.Module):
    """Reconstruct images (B, C, S, S) from a code of 16 numbers; S is a multiple of 16."""

    latent = 16
    predicts = 1  # output maps of the decoder for each channel

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.encoder = encoder(channels, size, self.latent)
        self.decoder = decoder(self.predicts * channels, size, self.latent)

    def forward(self, images: Tensor) -> Reconstruction:
        """Return the mean (B, C, S, S) of ``images`` (B, C, S, S)."""
        return Reconstruction(self.decoder(self.encoder(images)))
