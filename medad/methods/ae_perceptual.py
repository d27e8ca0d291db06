"""Perceptual autoencoder: differences in the features of a frozen network (Shvetsova et al., IEEE Access 9, 2021).

The published method (AE-PL in MedIAnomaly) compares features of VGG-19 (backbone=vgg19, the default) after its tenth
convolution, conv4_2. Its weights are not part of medad and lie in a file or are downloaded on request; with another
backbone it is the same principle in other features. The published code normalizes each channel by statistics of
ImageNet's images that are stored with it, and divides by the variance; here mean and standard deviation are those of
the training images.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from medad.backbones import NONE
from medad.config import ConfigError
from medad.functional.discrepancy import over_channels
from medad.functional.similarity import on_whole_image
from medad.methods._ae_perceptual_settings import AEPerceptualSettings
from medad.methods._frozen import FrozenBackbone
from medad.methods._reconstruction import AutoencoderMethod
from medad.registry import methods

LEAST_SCALE = 1e-6  # a channel that varies less is not scaled
LEAST_MEAN = 1e-6  # lower bound of an image's mean feature in a denominator


@methods.register("ae_perceptual")
class AEPerceptual(AutoencoderMethod):
    """An autoencoder whose loss and map is the relative L1 distance of normalized features."""

    settings_model = AEPerceptualSettings
    title = "AE-PL"
    settings: AEPerceptualSettings
    center: Tensor  # (1, D, 1, 1) of the training images' features
    spread: Tensor  # (1, D, 1, 1)

    def __init__(self, settings: AEPerceptualSettings) -> None:
        super().__init__(settings)
        self.backbone = FrozenBackbone(settings.backbone)
        shapes = self.backbone.shapes(settings.size)
        if settings.scale > len(shapes):
            raise ConfigError(f"scale={settings.scale}: {settings.backbone} has {len(shapes)} feature maps")
        channels = shapes[settings.scale - 1][0]
        self.register_buffer("center", torch.zeros(1, channels, 1, 1))
        self.register_buffer("spread", torch.ones(1, channels, 1, 1))

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "perceptual"."""
        random = " (random features, not trained: no AE-PL)" if self.settings.weights == NONE else ""
        return {"perceptual": f"relative distance of features from those of the reconstruction{random}"}

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the backbone's weights exists and fits. Raises BackboneError."""
        self.backbone.rehearse(self.settings.weights, allow_download)

    @torch.no_grad()
    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Load the weights of the backbone, and measure mean and standard deviation of its features on ``images``."""
        origin = self.backbone.fill(self.settings.weights)
        sums = torch.zeros(2, self.center.numel(), dtype=torch.float64, device=self.center.device)
        count = 0
        for batch in torch.split(images, self.settings.batch_size):
            features = self._maps(batch.to(self.center.device)).double()
            sums += torch.stack([features.sum(dim=(0, 2, 3)), features.square().sum(dim=(0, 2, 3))])
            count += features[:, 0].numel()
        mean, square = sums / count
        spread = (square - mean.square()).clamp_min(0).sqrt()
        spread[spread < LEAST_SCALE] = 1
        self.center.copy_(mean.view_as(self.center))
        self.spread.copy_(spread.view_as(self.spread))
        return {"weights": origin, "backbone": self.settings.backbone, "scale": self.settings.scale}

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the mean relative distance of a ``batch`` from its reconstruction."""
        return self._distances(batch).mean()

    def maps(self, images: Tensor) -> Tensor:
        """Return the relative distance, averaged over the features and resized to the grid of ``images``."""
        return on_whole_image(over_channels(self._distances(images)), images)

    def _distances(self, images: Tensor) -> Tensor:
        """Return |f(x) - f(x')| / mean |f(x)|, (B, D, h, w), for ``images`` x and their reconstructions x'."""
        with torch.no_grad():
            features = self._features(images)
        size = features.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(LEAST_MEAN)
        distances: Tensor = (self._features(self.network(images)) - features).abs() / size
        return distances

    def _features(self, images: Tensor) -> Tensor:
        return (self._maps(images) - self.center) / self.spread

    def _maps(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.backbone(images)
        return maps[self.settings.scale - 1]
