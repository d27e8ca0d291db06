"""PatchCore: the distance of frozen features from a coreset of normal ones (Roth et al., CVPR 2022)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, interpolate

from medad.config import ConfigError
from medad.functional.sampling import Reservoir, covering_rows
from medad.functional.smoothing import gaussian
from medad.methods._archive import batches, training_studies
from medad.methods._frozen import FrozenBackbone
from medad.methods._patchcore_settings import PatchCoreSettings
from medad.methods.base import Load, Method
from medad.methods.batching import score_in_shares
from medad.registry import methods
from medad.training import Track, spawn
from medad.types import Scored, TrainingSet


@methods.register("patchcore")
class PatchCore(Method):
    """The distance of each position's features from the nearest stored ones, whatever their position.

    The chosen feature maps are averaged over 3 x 3 neighbors, resized to the grid of the finest of them (bilinear) and
    concatenated. The number of stored features depends on the number of training images.
    """

    settings_model = PatchCoreSettings
    title = "PatchCore"
    no_graph = "it searches its stored features image by image"
    settings: PatchCoreSettings
    bank: Tensor  # (M, D) features of training images

    def __init__(self, settings: PatchCoreSettings) -> None:
        super().__init__(settings)
        self.backbone = FrozenBackbone(settings.backbone)
        shapes = self.backbone.shapes(settings.size)
        if settings.scales[-1] > len(shapes):
            raise ConfigError(f"scales={list(settings.scales)}: {settings.backbone} has {len(shapes)} feature maps")
        self._grid = shapes[settings.scales[0] - 1][1:]
        self.register_buffer("bank", torch.zeros(1, sum(shapes[scale - 1][0] for scale in settings.scales)))

    @property
    def scores(self) -> dict[str, str]:
        """Return the plain score, then the published one."""
        return {
            "max": "largest distance of a position's features from the nearest stored ones",
            "weighted": "the same, weighted by the distances of that position from the neighbors of the nearest",
        }

    @property
    def longest(self) -> dict[str, int]:
        """Return the greatest number of stored features."""
        return {"bank": self.settings.candidates}

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the backbone's weights exists and fits. Raises BackboneError."""
        self.backbone.rehearse(self.settings.weights, allow_download)

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Sample the features of the images in one pass, and store a coreset of the sample.

        Raises:
            TrainingError: ``use_archive`` is set without unlabeled studies.
        """
        settings = self.settings
        studies = training_studies(settings, data)
        self.backbone.fill(settings.weights)
        self.to(load.device)
        sample = Reservoir(settings.candidates, spawn(rng))
        for images in batches(studies, load, settings.batch_size, "extract features"):
            with torch.inference_mode():
                sample.add(self._features(images.to(self.bank.device)).flatten(0, 1))
        rows = sample.rows.clone()  # no inference tensor, which could not be stored in the model
        count = max(1, round(settings.coreset * len(rows)))
        first = int(torch.randint(len(rows), (), generator=rng))
        self.bank = rows[covering_rows(self._projected(rows, spawn(rng)), count, first)]
        track("patchcore/stored", float(count), 0)
        self.eval()

    def _projected(self, rows: Tensor, generator: Generator) -> Tensor:
        """Return a random projection (N, d) of ``rows`` (N, D) that nearly preserves distances."""
        from sklearn.random_projection import SparseRandomProjection

        if not 0 < self.settings.projection < rows.shape[1]:
            return rows
        projection = SparseRandomProjection(
            self.settings.projection, dense_output=True, random_state=generator.initial_seed() % 2**32
        )
        projected = projection.fit_transform(rows.cpu().numpy())
        return torch.from_numpy(projected).to(rows)

    def _features(self, images: Tensor) -> Tensor:
        """Return the features (B, P, D) of the P positions of ``images`` (B, C, S, S)."""
        maps = self.backbone(images)
        joined = [
            interpolate(avg_pool2d(maps[scale - 1], 3, 1, 1), self._grid, mode="bilinear", align_corners=False)
            for scale in self.settings.scales
        ]
        return torch.cat(joined, dim=1).flatten(2).mT

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return both scores of ``images`` (B, C, S, S), with their common smoothed map of distances."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        pairs = [self._distances(features) for features in self._features(images)]  # one at a time bounds the memory
        distances, weighted = (torch.stack(values) for values in zip(*pairs, strict=True))
        whole = interpolate(distances.view(-1, 1, *self._grid), images.shape[-2:], mode="bilinear", align_corners=False)
        maps, highest = gaussian(whole, self.settings.sigma), distances.amax(dim=1)
        return {
            "max": Scored(highest, maps, highest[:, None]),
            "weighted": Scored(weighted, maps, weighted[:, None]),
        }

    def _distances(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance (P,) of each of ``features`` (P, D) from the bank, and the weighted score of the image.

        With the farthest features f, the stored features m nearest to f, and the ``neighbors`` stored features n that
        are nearest to m (m among them), the weight is 1 - exp(|f - m|) / sum of exp(|f - n|).
        """
        nearest = self._nearest(features, 1)[:, 0]
        distances = torch.linalg.vector_norm(features - self.bank[nearest], dim=1)
        farthest = distances.argmax()
        neighbors = min(self.settings.neighbors, len(self.bank))
        if neighbors == 1:
            return distances, distances[farthest]
        around = self._nearest(self.bank[nearest[farthest]][None], neighbors)[0]
        away = torch.linalg.vector_norm(features[farthest] - self.bank[around], dim=1)
        weight = 1 - torch.exp(distances[farthest] - away.logsumexp(dim=0))
        return distances, weight * distances[farthest]

    def _nearest(self, features: Tensor, count: int) -> Tensor:
        """Return the indices (P, ``count``) of the stored features nearest to each of ``features`` (P, D)."""
        squares = self.bank.square().sum(dim=1) - 2 * features @ self.bank.T  # plus a constant for each row
        return squares.topk(count, dim=1, largest=False).indices
