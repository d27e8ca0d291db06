"""The autoencoder of DDAD (Cai et al., Medical Image Analysis 86:102794, 2023)."""

from __future__ import annotations

from torch import Tensor, nn

from medad.networks.base import decoder, encoder
from medad.registry import networks
from medad.types import Reconstruction


@networks.register("ae")
class AE(nn.Module):
    """Reconstructs images (B, C, S, S) from 16 numbers; S is any multiple of 16."""

    latent = 16
    predicts = 1  # maps that the decoder gives for each channel

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.encoder = encoder(channels, size, self.latent)
        self.decoder = decoder(self.predicts * channels, size, self.latent)

    def forward(self, images: Tensor) -> Reconstruction:
        """Images (B, C, S, S) -> mean (B, C, S, S)."""
        return Reconstruction(self.decoder(self.encoder(images)))
