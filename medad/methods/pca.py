"""Reconstruction error of a principal component analysis: a linear autoencoder, as a baseline."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from medad.functional.discrepancy import over_channels
from medad.methods._pca_settings import PCASettings
from medad.methods.base import Load, Method
from medad.registry import methods
from medad.training import Track, TrainingError
from medad.types import Scored, TrainingSet


@methods.register("pca")
class PCA(Method):
    """Project an image on the principal components of the normal images; the squared residual is the map."""

    settings_model = PCASettings
    title = "PCA"
    trivial = True
    settings: PCASettings
    center: Tensor
    basis: Tensor

    def __init__(self, settings: PCASettings) -> None:
        super().__init__(settings)
        pixels = settings.channels * settings.size**2
        self.register_buffer("center", torch.zeros(pixels))
        self.register_buffer("basis", torch.zeros(settings.components, pixels))

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "rec"."""
        return {"rec": "reconstruction error"}

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Compute the principal components of the normal images; unlabeled ones are not used.

        Raises:
            TrainingError: there are no more images than components.
        """
        from sklearn import decomposition

        images = load(data.normal)
        if len(images) <= self.settings.components:
            raise TrainingError(
                f"PCA with {self.settings.components} components needs more than as many images, got {len(images)}: "
                "lower it (--set components=...) or give more studies"
            )
        seed = rng.initial_seed() % 2**32
        pca = decomposition.PCA(self.settings.components, svd_solver="randomized", random_state=seed)
        pca.fit(images.flatten(1).cpu().numpy())
        self.to(images.device)
        self.center.copy_(torch.from_numpy(pca.mean_))
        self.basis.copy_(torch.from_numpy(pca.components_))

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the mean squared residual."""
        centered = images.flatten(1) - self.center
        remainder = centered - (centered @ self.basis.T) @ self.basis
        maps = over_channels(remainder.square().view_as(images))
        score = maps.mean(dim=(1, 2, 3))
        return {"rec": Scored(score, maps, score[:, None])}
