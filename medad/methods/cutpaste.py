"""CutPaste: a density of features that tell pasted patches from whole images (Li, Sohn, Yoon and Pfister, CVPR 2021).

The variant has three classes, and its settings are those of MedIAnomaly (Cai et al., 2025), which starts from random
weights. Neither gives a map without backpropagation: the map here is the density of the features at each position.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, normalize
from torch.optim import Optimizer

from medad.functional.cutpaste import jittered, with_patch, with_scar
from medad.functional.density_ratio import whitening
from medad.functional.sampling import Reservoir
from medad.methods._cutpaste_settings import CutPasteSettings
from medad.methods._network_method import NetworkMethod
from medad.networks._resnet18 import ResNet18
from medad.networks.base import draw_convolutions
from medad.registry import methods
from medad.training import CosineDecay, TrainingError, sgd, spawn
from medad.types import Scored

CLASSES = 3  # whole images, patches, scars
STAGE = 2  # of the ResNet, whose features make the map
HEAD = 128
DECISIVE = {"steps", "jitter", "width"}


class Classifier(nn.Module):
    """Images (B, C, S, S) -> logits (B, 3): a ResNet-18, a head of two layers, and a linear layer."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        features = 8 * width
        self.trunk = ResNet18(channels, width)
        layers: list[nn.Module] = []
        for before, after in ((features, features), (features, HEAD)):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.Linear(HEAD, CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the classes."""
        logits: Tensor = self.head(self.trunk(images)[-1].mean(dim=(2, 3)))
        return logits


@methods.register("cutpaste")
class CutPaste(NetworkMethod):
    """A network learns to tell images with a pasted patch or scar from whole ones; its features get a Gaussian density.

    The score of an image is the Mahalanobis distance of its features, normalized to length 1, from those of the
    training images, with the covariance of Ledoit and Wolf. The map is the same for the features of the third stage at
    each position.
    """

    settings_model = CutPasteSettings
    title = "CutPaste"
    settings: CutPasteSettings
    network: Classifier
    channels_last = False  # PyTorch crashes in the gradient of narrow convolutions in this layout
    mean: Tensor  # (D,)
    whitener: Tensor  # (D, D), so that (x - mean) @ whitener has unit covariance
    map_mean: Tensor  # (d,)
    map_whitener: Tensor  # (d, d)

    def __init__(self, settings: CutPasteSettings) -> None:
        super().__init__(settings)
        self.steps = settings.steps
        for prefix, size in (("", 8 * settings.width), ("map_", 2**STAGE * settings.width)):
            self.register_buffer(f"{prefix}mean", torch.zeros(size))
            self.register_buffer(f"{prefix}whitener", torch.zeros(size, size))

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "density"."""
        return {"density": "Mahalanobis distance of the image's features"}

    def build(self) -> nn.Module:
        """Build the classifier."""
        return Classifier(self.settings.channels, self.settings.width)

    def start(self, generator: Generator) -> None:
        """Draw the convolutions as ResNet does, and all else as PyTorch does."""
        super().start(generator)
        draw_convolutions(self.network, spawn(generator))

    def optimizer(self) -> Optimizer:
        """Return stochastic gradient descent with momentum."""
        return sgd(self.network, self.settings.learning_rate, self.settings.momentum, self.settings.weight_decay)

    def decay(self) -> CosineDecay:
        """Return the cosine to 0."""
        return CosineDecay(self.settings.epochs)

    def prepare(self, images: Tensor) -> Mapping[str, str | int | float]:
        """Return the settings that determine the network.

        Raises:
            TrainingError: there are fewer than 2 images.
        """
        if len(images) < 2:
            raise TrainingError(f"a density of features needs at least 2 images, got {len(images)}: give more studies")
        return self.settings.model_dump(include=DECISIVE)

    def synthesize(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """Return ``images`` (B, C, S, S) jittered, then with a patch, then with a scar: (3 B, C, S, S), and classes."""
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        jitter = self.settings.jitter
        levels = (images.detach().double().cpu().numpy() + 1) / 2
        whole = [jittered(image, jitter, rng) for image in levels]
        made = [*whole, *(paste(image, jitter, rng) for paste in (with_patch, with_scar) for image in whole)]
        classes = torch.arange(CLASSES, device=images.device).repeat_interleave(len(images))
        return torch.from_numpy(np.stack(made)).to(images) * 2 - 1, classes

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the cross-entropy of the three classes."""
        images, classes = self.synthesize(batch, generator)
        return cross_entropy(self.network(images), classes)

    @torch.no_grad()
    def finish(self, images: Tensor, rng: Generator) -> None:
        """Estimate the densities of the features of ``images`` and of a sample of their positions."""
        sample, features = Reservoir(self.settings.candidates, spawn(rng)), []
        for batch in torch.split(images, self.settings.batch_size):
            whole, positions = self._features(batch.to(self.mean.device))
            features.append(whole)
            sample.add(positions.flatten(0, 2))
        for prefix, rows in (("", torch.cat(features)), ("map_", sample.rows)):
            mean, whitener = whitening(rows.double().cpu().numpy())
            self.get_buffer(f"{prefix}mean").copy_(torch.from_numpy(mean))
            self.get_buffer(f"{prefix}whitener").copy_(torch.from_numpy(whitener))

    def _features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized features of ``images``, (B, D), and of their positions, (B, h, w, d)."""
        stages = self.network.trunk(images)
        return normalize(stages[-1].mean(dim=(2, 3))), normalize(stages[STAGE].permute(0, 2, 3, 1), dim=3)

    def maps(self, images: Tensor) -> Tensor:
        """Return the distance of the features at each position, bilinearly resized to the grid of ``images``."""
        return self._map(self._features(images)[1], images)

    def _map(self, positions: Tensor, images: Tensor) -> Tensor:
        distances = ((positions - self.map_mean) @ self.map_whitener).norm(dim=3)
        return interpolate(distances[:, None], images.shape[-2:], mode="bilinear", align_corners=False)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        features, positions = self._features(images)
        score = ((features - self.mean) @ self.whitener).norm(dim=1)
        return {"density": Scored(score, self._map(positions, images), score[:, None])}
