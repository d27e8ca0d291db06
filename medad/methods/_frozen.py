"""A frozen backbone inside a method, whose weights are stored in the model folder: a copied model scores alone."""

from __future__ import annotations

import logging

import torch
from torch import Generator, Tensor, nn

from medad.backbones import NONE
from medad.backbones._weights import digest, locate, read
from medad.backbones.base import Backbone, BackboneError, built
from medad.functional.capture import captured
from medad.functional.imagenet import normalize_for_imagenet
from medad.registry import backbones

log = logging.getLogger(__name__)
IN_CACHE = 2  # images in a pass on a CPU: with 16, EfficientNet-lite0 took twice the time


class FrozenBackbone(nn.Module):
    """Gray or RGB images (B, 1 or 3, S, S) in [-1, 1] -> feature maps (B, C, h, w), fine to coarse.

    The network is random until :meth:`fill` or ``load_state_dict`` replaces its weights. It gets no gradient and stays
    in evaluation mode.
    """

    def __init__(self, name: str, trunk: bool = False) -> None:
        """Build the backbone ``name``; with ``trunk`` its maps end with the last one (:meth:`Backbone.trunk`)."""
        super().__init__()
        self._architecture: Backbone = backbones.get(name)
        self._build = self._architecture.trunk if trunk else self._architecture.build
        self.network = built(self._architecture, Generator().manual_seed(0), trunk=trunk).requires_grad_(False)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's stubs lack it
        self.eval()

    def train(self, mode: bool = True) -> FrozenBackbone:
        """Stay in evaluation mode, whatever ``mode`` is."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps of ``images``, through which gradients of the images flow.

        Without gradients, a CPU computes few images at a time, whose maps stay in its caches.
        """
        if captured() or torch.is_grad_enabled() or images.device.type != "cpu":
            whole: list[Tensor] = self.network(normalize_for_imagenet(images))
            return whole
        maps = [
            self.network(normalize_for_imagenet(part).contiguous(memory_format=torch.channels_last))
            for part in torch.split(images, IN_CACHE)
        ]
        return [torch.cat(scale) for scale in zip(*maps, strict=True)]

    def shapes(self, size: int) -> list[tuple[int, int, int]]:
        """Return the shape (C, h, w) of each feature map of an image of ``size`` x ``size`` pixels."""
        with torch.no_grad():
            maps = self(torch.zeros(1, 1, size, size))
        return [(feature_map.shape[1], feature_map.shape[2], feature_map.shape[3]) for feature_map in maps]

    def rehearse(self, weights: str, allow_download: bool = False) -> None:
        """Check that the file of ``weights`` exists and fits. Raises BackboneError."""
        if weights != NONE:
            self._read(weights, allow_download)

    def fill(self, weights: str) -> str:
        """Load ``weights`` ("imagenet" or a file) and return their identity; "none" leaves the network random.

        Raises:
            BackboneError: the file does not exist, or it does not hold weights of this backbone.
        """
        if weights == NONE:
            log.warning(
                "weights=none: the frozen %s is random. This serves tests, its results say nothing",
                self._architecture.title,
            )
            return "random"
        state, identity = self._read(weights)
        self.network.load_state_dict(state)
        return identity

    def _read(self, weights: str, allow_download: bool = False) -> tuple[dict[str, Tensor], str]:
        path = locate(self._architecture, weights, allow_download)
        try:
            state = self._build(read(path)).state_dict()
        except BackboneError as error:
            raise BackboneError(f"{path}: {error}") from None
        return state, digest(path)
