"""MemAE: the autoencoder whose code is reconstructed from a memory of normal codes (Gong et al., ICCV 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medad.functional.losses import attention_entropy
from medad.networks.ae import AE
from medad.registry import networks
from medad.types import Reconstruction


class Memory(nn.Module):
    """Reconstruct codes from learned items: z (B, D) -> softmax(z M^T) M (B, D), and the attention (B, slots)."""

    def __init__(self, slots: int, dimensions: int, shrink: float = 0.0) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(slots, dimensions))
        self.shrink = shrink
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the items uniformly between -1 / sqrt(D) and 1 / sqrt(D)."""
        bound = self.items.shape[1] ** -0.5
        nn.init.uniform_(self.items, -bound, bound)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstructed codes (B, D) and the attention (B, slots), whose rows sum to 1."""
        attention = torch.softmax(codes @ self.items.T, dim=1)
        if self.shrink > 0:
            over = attention - self.shrink
            attention = torch.relu(over) * attention / (over.abs() + 1e-12)
            attention = nn.functional.normalize(attention, p=1, dim=1, eps=1e-12)
        return attention @ self.items, attention


@networks.register("memae")
class MemAE(AE):
    """AE with a memory of 25 codes between encoder and decoder: images (B, C, S, S) -> mean (B, C, S, S)."""

    slots = 25
    entropy_weight = 2e-4

    def __init__(self, channels: int, size: int) -> None:
        super().__init__(channels, size)
        self.memory = Memory(self.slots, self.latent)

    def forward(self, images: Tensor) -> Reconstruction:
        """Return the mean (B, C, S, S) of ``images``, and a penalty for attending to many items at once."""
        codes, attention = self.memory(self.encoder(images))
        return Reconstruction(self.decoder(codes), penalty=self.entropy_weight * attention_entropy(attention))
