"""What FPI, PII and NSA share: a network that learns to find patches of other images, and their training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from medad.functional.crops import central_crops, on_whole, random_crops
from medad.functional.patches import LEVELS, Picture, changed, pictures, put_patches
from medad.methods._foreign_patch_settings import ForeignPatchSettings
from medad.methods._network_method import NetworkMethod
from medad.networks._resnet18 import EncoderDecoder
from medad.networks.base import draw_convolutions
from medad.training import CosineDecay, spawn

Floats = NDArray[np.float64]
NOT_DECISIVE = {"epochs", "amp", "calibration", "anomaly_rate", "unlabeled"}  # of the settings, for a checkpoint

MIXING = (0.05, 0.95)  # between which the interpolation factor of FPI and PII is uniform


class ForeignPatchMethod(NetworkMethod):
    """A patch of another training image is put on every training image, and the network is to mark it.

    The donor of an image is the one before it in its batch, whose order is random: never the image itself.
    """

    settings: ForeignPatchSettings
    channels_last = False  # PyTorch crashes in the gradient of narrow convolutions in this layout

    @abstractmethod
    def corrupted(self, image: Picture, donor: Picture, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Put patches of ``donor`` on ``image``.

        Returns:
            The new gray levels (C, H, W), and the labels (H, W) in [0, 1].
        """

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "patch"."""
        return {"patch": "mean of the map of foreign patches"}

    def build(self) -> nn.Module:
        """Build the ResNet-18 with its decoder."""
        return EncoderDecoder(self.settings.channels, self.settings.width)

    def start(self, generator: Generator) -> None:
        """Draw the convolutions as ResNet does, and all else as PyTorch does."""
        super().start(generator)
        draw_convolutions(self.network, spawn(generator))

    def decay(self) -> CosineDecay:
        """Return the cosine to the least learning rate."""
        return CosineDecay(self.settings.epochs, self.settings.least_learning_rate / self.settings.learning_rate)

    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Return the settings, all of which determine the result."""
        return {"settings": str(self.settings.model_dump(exclude=NOT_DECISIVE))}

    def synthesize(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return ``images`` (B, C, S, S) with foreign patches, and their labels (B, 1, S, S)."""
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        shown = pictures(images, self.settings.background)
        made = [self.corrupted(image, shown[index - 1], rng) for index, image in enumerate(shown)]
        levels, labels = (torch.from_numpy(np.stack(parts)).to(images) for parts in zip(*made, strict=True))
        return levels * (2 / LEVELS) - 1, labels[:, None]

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the binary cross-entropy of the marks on random crops of ``batch`` with foreign patches."""
        images, labels = self.synthesize(random_crops(batch, generator), generator)
        return binary_cross_entropy_with_logits(self.network(images), labels)

    def maps(self, images: Tensor) -> Tensor:
        """Return the marks on the central crops of ``images``, in [0, 1]; what lies outside of these is 0."""
        side = self.settings.size
        return on_whole(self.network(central_crops(images, side)).sigmoid(), side)


class InterpolationMethod(ForeignPatchMethod):
    """A patch is mixed with the same place of another image by a random factor, which the network predicts."""

    mixed: ClassVar[Callable[..., Floats]]  # a blend (:data:`medad.functional.patches.Blend`) with a ``factor``

    def corrupted(self, image: Picture, donor: Picture, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Mix patches; the label of each changed pixel is the factor, one for all patches of the image."""
        factor = rng.uniform(*MIXING)
        blend = partial(type(self).mixed, factor=factor)
        levels, covered = put_patches(image, donor, blend, rng, most=self.settings.patches)
        return levels, factor * changed(image.levels, levels, covered).astype(np.float64)
