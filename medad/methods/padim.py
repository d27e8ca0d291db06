"""PaDiM: a Gaussian of frozen features at every position (Defard et al., ICPR workshops 2021)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from medad.functional.smoothing import gaussian
from medad.methods._archive import batches, training_studies
from medad.methods._frozen import FrozenBackbone
from medad.methods._padim_settings import PaDiMSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.registry import methods
from medad.training import Track, TrainingError
from medad.types import Scored, TrainingSet

POSITIONS = 256  # covariance matrices that are inverted at a time


@methods.register("padim")
class PaDiM(Method):
    """The Mahalanobis distance of the features at each position from those of the training images there.

    The feature maps are resized to the grid of the first one (nearest neighbor) and concatenated; a random selection of
    their dimensions is used. P positions and d dimensions give P d (d + 1) stored numbers.
    """

    settings_model = PaDiMSettings
    title = "PaDiM"
    settings: PaDiMSettings
    selected: Tensor  # (d,) indices of the dimensions, rising
    mean: Tensor  # (P, 1, d)
    whitener: Tensor  # (P, d, d), the inverse of the covariance's Cholesky factor: lower triangular

    def __init__(self, settings: PaDiMSettings) -> None:
        super().__init__(settings)
        self.backbone = FrozenBackbone(settings.backbone)
        shapes = self.backbone.shapes(settings.size)
        self._channels = sum(channels for channels, _, _ in shapes)
        self._grid = shapes[0][1:]
        dimensions = min(settings.dimensions, self._channels)
        positions = self._grid[0] * self._grid[1]
        self.register_buffer("selected", torch.arange(dimensions))
        self.register_buffer("mean", torch.zeros(positions, 1, dimensions))
        self.register_buffer("whitener", torch.zeros(positions, dimensions, dimensions))

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "max"."""
        return {"max": "maximum of the map of Mahalanobis distances"}

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the backbone's weights exists and fits. Raises BackboneError."""
        self.backbone.rehearse(self.settings.weights, allow_download)

    def check_tensors(self) -> None:
        """Raise ValueError if a selected dimension does not exist."""
        if not bool(((self.selected >= 0) & (self.selected < self._channels)).all()):
            raise ValueError(f"'selected' holds indices outside of 0 to {self._channels - 1}: train the model again")

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Select the dimensions and accumulate mean and covariance of each position in one pass over the images.

        Raises:
            TrainingError: there are fewer than 2 images, or ``use_archive`` is set without unlabeled studies.
        """
        studies = training_studies(self.settings, data)
        self.backbone.fill(self.settings.weights)
        self.to(load.device)
        order = torch.randperm(self._channels, generator=rng)
        self.selected.copy_(order[: len(self.selected)].sort().values)
        sums, products = self.mean.double().zero_(), self.whitener.double().zero_()
        count = 0
        for images in batches(studies, load, self.settings.batch_size, "extract features"):
            with torch.inference_mode():
                features = self._features(images.to(sums.device)).double()
                sums += features.sum(dim=1, keepdim=True)
                products.baddbmm_(features.mT, features)
            count += len(images)
        if count < 2:
            raise TrainingError(f"the spread of the features needs at least 2 images, got {count}: give more studies")
        self.mean.copy_(sums / count)
        for part in torch.split(torch.arange(len(sums)), POSITIONS):
            self.whitener[part] = self._whitener(sums[part] / count, products[part], count).float()
        self.eval()

    def _whitener(self, mean: Tensor, products: Tensor, count: int) -> Tensor:
        """Return the inverse Cholesky factors (p, d, d) of the regularized covariances of p positions."""
        identity = torch.eye(mean.shape[2], dtype=mean.dtype, device=mean.device)
        covariance = (products - count * mean.mT @ mean) / (count - 1) + self.settings.regularization * identity
        inverse: Tensor = torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), identity, upper=False)
        return inverse

    def _features(self, images: Tensor) -> Tensor:
        """Return the selected features (P, B, d) of ``images`` (B, C, S, S)."""
        maps = [interpolate(feature_map, self._grid, mode="nearest") for feature_map in self.backbone(images)]
        return torch.cat(maps, dim=1)[:, self.selected].flatten(2).permute(2, 0, 1)

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the score of ``images`` (B, C, S, S), with the smoothed map of distances."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        whitened = (self._features(images) - self.mean) @ self.whitener.mT
        distances = whitened.square().sum(dim=2).sqrt().T.reshape(-1, 1, *self._grid)
        whole = interpolate(distances, images.shape[-2:], mode="bilinear", align_corners=False)
        maps = gaussian(whole, self.settings.sigma)
        score = maps.amax(dim=(1, 2, 3))
        return {"max": Scored(score, maps, score[:, None])}
