"""CDO's two networks: a frozen expert, and an apprentice of the same architecture that is trained."""

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
from medad.functional.imagenet import normalize_for_imagenet

log = logging.getLogger(__name__)


Features = list[Tensor]  # (B, C, h, w) for each scale, fine to coarse


class Pair(nn.Module):
    """Expert and apprentice: images (B, 1 or 3, S, S) in [-1, 1] -> their discrepancy for each scale, fine to coarse.

    Gray is repeated to three channels. ImageNet's normalization is applied for every modality, since the reader and the
    preset have already mapped the intensities to [-1, 1].
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        start = Generator().manual_seed(0)  # placeholder weights: fit and load replace them
        self.expert = built(backbone, start).requires_grad_(False)
        self.apprentice = built(backbone, start)
        # Channels-last weights: quicker on a CPU, and on a GPU with bfloat16.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it

    def train(self, mode: bool = True) -> Pair:
        """Set the mode of the apprentice; the expert stays in evaluation mode."""
        super().train(mode)
        self.expert.eval()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the discrepancy of each scale, (B, 1, H, W) on the grid of the first, by which the apprentice is
        trained.

        The features are upsampled, then normalized to length 1, then compared. The expert gets no gradient.
        """
        expert, apprentice = self.features(images)
        height, width = expert[0].shape[-2:]
        return [feature_discrepancy(*pair, (height, width)) for pair in zip(expert, apprentice, strict=True)]

    def on_own_grids(self, images: Tensor) -> list[Tensor]:
        """Return the discrepancy of each scale on the grid of its features, (B, 1, h, w)."""
        return [feature_discrepancy(*pair) for pair in zip(*self.features(images), strict=True)]

    def features(self, images: Tensor) -> tuple[Features, Features]:
        """Return the features of the expert, without gradient, and those of the apprentice."""
        normalized = normalize_for_imagenet(images)
        with torch.no_grad():
            expert_features = self.expert(normalized)
        return expert_features, self.apprentice(normalized)

    def restart(self, backbone: Backbone, expert: Mapping[str, Tensor], generator: Generator) -> None:
        """Load the weights of the expert, and draw a new apprentice from ``generator``."""
        self.expert.load_state_dict(expert)
        self.apprentice.load_state_dict(built(backbone, generator).state_dict())


def find_expert(backbone: Backbone, weights: str, allow_download: bool = False) -> Path | None:
    """Return the file of the expert's weights; for ``weights`` "none", log a warning and return None.

    Raises:
        BackboneError: the file does not exist.
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
    """Return the expert's tensors, from ``path`` or random, and their identity: the file's digest or "random".

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
