"""CDO's two networks: an expert that stays as it is, and an apprentice of the same architecture."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from medad.backbones import NONE
from medad.backbones._weights import digest, locate, read
from medad.backbones.base import Backbone, BackboneError, built
from medad.functional.collaboration import feature_discrepancy

log = logging.getLogger(__name__)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB images in [0, 1]


Features = list[Tensor]  # (B, C, h, w) for each scale, fine to coarse


class Pair(nn.Module):
    """Images (B, 1 or 3, S, S) in [-1, 1] -> for each scale, fine to coarse, their discrepancy.

    Gray is repeated to three channels; then ImageNet's normalization, whatever the modality: what was a 16-bit image
    has been brought to [-1, 1] by the reader and the preset, as for every method.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        start = Generator().manual_seed(0)  # fit and load give both their weights
        self.expert = built(backbone, start).requires_grad_(False)
        self.apprentice = built(backbone, start)
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        # Channels-last weights: quicker on a CPU, and on a GPU with bfloat16.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it

    def train(self, mode: bool = True) -> Pair:
        """The expert stays in evaluation mode."""
        super().train(mode)
        self.expert.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """What the apprentice is trained by, (B, 1, H, W) on the grid of the first scale; the expert gets no gradient.

        The features are upsampled, then brought to length 1, then compared.
        """
        expert, apprentice = self.features(images)
        height, width = expert[0].shape[-2:]
        return [feature_discrepancy(*pair, (height, width)) for pair in zip(expert, apprentice, strict=True)]

    def on_own_grids(self, images: Tensor) -> list[Tensor]:
        """The discrepancy of each scale on the grid of its features, (B, 1, h, w)."""
        return [feature_discrepancy(*pair) for pair in zip(*self.features(images), strict=True)]

    def features(self, images: Tensor) -> tuple[Features, Features]:
        """Of the expert, without gradient, and of the apprentice."""
        normalized = ((images.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.std
        with torch.no_grad():
            expert_features = self.expert(normalized)
        return expert_features, self.apprentice(normalized)

    def restart(self, backbone: Backbone, expert: Mapping[str, Tensor], generator: Generator) -> None:
        """The expert's weights, and a new apprentice drawn from ``generator``."""
        self.expert.load_state_dict(expert)
        self.apprentice.load_state_dict(built(backbone, generator).state_dict())


def find_expert(backbone: Backbone, weights: str, allow_download: bool = False) -> Path | None:
    """The file of the expert's weights; None, with a warning, where it is to have none.

    Raises:
        BackboneError: it is not there.
    """
    if weights == NONE:
        log.warning(
            "weights=none: the expert is a random %s and has learned nothing. This serves tests; it is no CDO, and its "
            "results say nothing about the method",
            backbone.title,
        )
        return None
    return locate(backbone, weights, allow_download)


def expert_weights(backbone: Backbone, path: Path | None, generator: Generator) -> tuple[dict[str, Tensor], str]:
    """The expert's tensors, from ``path`` or random, and what to call them: they decide the result.

    Raises:
        BackboneError: the file does not hold the weights of ``backbone``.
    """
    if path is None:
        return built(backbone, generator).state_dict(), "random"
    tensors, file_digest = read(path), digest(path)
    try:
        expert = backbone.build(tensors)
    except BackboneError as error:
        raise BackboneError(f"{path}: {error}") from None
    log.info("expert: %s from %s (SHA-256 %s)", backbone.title, path, file_digest)
    return expert.state_dict(), file_digest
