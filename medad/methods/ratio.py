"""Density ratio of an archive and known normals in the features of a frozen network, without training a network.

The principle of DDAD (Cai et al., Medical Image Analysis 86:102794, 2023) is that normal scans and an archive differ
where the archive is abnormal. It is applied to densities of features: a regularized classifier of archive against
normal estimates log p(archive) / p(normal). No label is used. Cross-validation of archive against normal chooses the
strength of the regularization.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from medad.backbones._weights import weights_digest
from medad.functional.density_ratio import LEAST_SCALE, Floats, whitening
from medad.functional.pooled_features import (
    pool_features,
    spread_mean_over_positions,
    spread_over_positions,
    sum_on_image,
)
from medad.functional.position_moments import PositionMoments
from medad.methods._frozen import FrozenBackbone
from medad.methods._ratio_classifiers import Pooled, cross_fit, learn_classifiers
from medad.methods._ratio_settings import RatioSettings
from medad.methods.base import CrossFitted, Load, Method
from medad.methods.batching import score_in_shares
from medad.progress import progress
from medad.registry import methods
from medad.training import Track, TrainingError
from medad.types import Scored, Study, TrainingSet

log = logging.getLogger(__name__)
LEAST_POSITION_SCALE = 0.1  # of a map's mean spread; constant borders would make any change infinite
MAP_NORMALS = 256  # normal studies that the mean and the spread at each position of a map are estimated from
FEATURES = 1  # version of the pooled features; part of their name in the cache
TITLES = {
    "ratio": "log ratio of archive to normal density of frozen features",
    "near": "distance from the normals in frozen features",
}


@methods.register("ratio")
class Ratio(Method):
    """Classify features of archive against normal: features that only the archive has are abnormal.

    The weights of the frozen network are stored in the model folder, so that a copied model scores without other files.
    """

    settings_model = RatioSettings
    title = "feature ratio"
    settings: RatioSettings
    center: Tensor  # (D,) of the features that the classifiers are trained on
    scale: Tensor  # (D,)
    weights: Tensor  # (K, D) of standardized features
    biases: Tensor  # (K,)
    normal_center: Tensor  # (D,) of the normals' standardized features
    whitener: Tensor  # (D, D)

    def __init__(self, settings: RatioSettings) -> None:
        super().__init__(settings)
        self.backbone = FrozenBackbone(settings.backbone, trunk=True)
        self.eval()
        with torch.inference_mode():
            maps = self.backbone(torch.zeros(1, 3, settings.size, settings.size))
        count = pool_features(maps).shape[1]
        self.register_buffer("center", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        if settings.use_archive:
            self.register_buffer("weights", torch.zeros(settings.members, count))
            self.register_buffer("biases", torch.zeros(settings.members))
            for place, feature_map in enumerate(maps):
                self.register_buffer(f"normal_map_{place}", torch.zeros(1, 1, *feature_map.shape[2:]))
        self.register_buffer("normal_center", torch.zeros(count))
        self.register_buffer("whitener", torch.zeros(count, count))
        for place, feature_map in enumerate(maps):
            self.register_buffer(f"position_mean_{place}", torch.zeros(feature_map.shape[1:]))
            self.register_buffer(f"position_scale_{place}", torch.ones(feature_map.shape[1:]))

    @property
    def scores(self) -> dict[str, str]:
        """Return the names and titles of the scores."""
        return TITLES if self.settings.use_archive else {"near": TITLES["near"]}

    @property
    def primary(self) -> str:
        """Return the score "ratio", or "near" if there is no archive to compare with."""
        return next(iter(self.scores))

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the backbone's weights exists and fits. Raises BackboneError."""
        self.backbone.rehearse(self.settings.weights, allow_download)

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Extract the features once, choose the regularization, fit the classifiers and the density of the normals.

        Raises:
            TrainingError: ``use_archive`` is set without unlabeled studies, or there are fewer than 2 normal images.
        """
        settings = self.settings
        if settings.use_archive and not data.unlabeled:
            raise TrainingError(
                "the score 'ratio' compares the normals with an archive, and there are no unlabeled studies: give "
                "some, or use what normals alone say (--set use_archive=false)"
            )
        self.backbone.fill(settings.weights)
        self.to(load.device)
        normal = self._features(data.normal, load)
        if len(normal.values) < 2:
            raise TrainingError(f"the spread of normal images needs at least 2 of them, got {len(normal.values)}")
        archive = self._features(data.unlabeled, load) if settings.use_archive else None
        features = normal.values if archive is None else np.concatenate([normal.values, archive.values])
        center, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale < LEAST_SCALE] = 1.0
        self._fill(center=center, scale=scale)
        if archive is not None:
            learned = learn_classifiers(normal.scaled(center, scale), archive.scaled(center, scale), settings, rng)
            if learned.auc is not None:
                track("ratio/archive_auc", learned.auc, 0)
            track("ratio/strength", learned.strength, 0)
            self._fill(weights=learned.weights, biases=learned.biases)
        mean, whitener = whitening((normal.values - center) / scale)
        self._fill(normal_center=mean, whitener=whitener)
        self._fit_maps(data.normal, normal.values.mean(axis=0), load)
        self.eval()

    def _features(self, studies: Sequence[Study], load: Load) -> Pooled:
        """Return the pooled features of the images of ``studies``."""
        block = self.settings.batch_size
        name = f"pooled {FEATURES} {self.settings.architecture} {weights_digest(self.backbone.network)} {block}"
        pooled = load.features(studies, lambda images: pool_features(self.backbone(images)), name=name, block=block)
        studies = [study for study, values in pooled for _ in values]
        return Pooled(torch.cat([values for _, values in pooled]).double().numpy(), studies)

    def cross_fit(self, data: TrainingSet, load: Load, *, rng: Generator) -> CrossFitted:
        """Score each study by a classifier that learned from other patients (:func:`cross_fitted_scores`).

        The regularization is one value for all classifiers, chosen as in :meth:`fit`. A volume has the score of its
        highest slice.

        Raises:
            UndefinedMetric: normals or archive have fewer than 2 patients.
        """
        return cross_fit(self._features(data.normal, load), self._features(data.unlabeled, load), self.settings, rng)

    def _fit_maps(self, normal: Sequence[Study], mean_features: Floats, load: Load) -> None:
        """Store the mean and the spread of the normals' feature maps, and the part that they add to a linear score."""
        step = max(1, len(normal) // MAP_NORMALS)
        moments = PositionMoments()
        studies = normal[::step][:MAP_NORMALS]
        with progress("describe the normals' maps", len(studies)) as advance, torch.inference_mode():
            for _, images in load.stream(studies, self.settings.batch_size):
                for batch in torch.split(images, self.settings.batch_size):
                    moments.add(self.backbone(batch))
                advance(1)
        for place, (mean, spread) in enumerate(moments.mean_and_spread()):
            least = spread.mean() * LEAST_POSITION_SCALE + LEAST_SCALE
            self._fill(**{f"position_mean_{place}": mean, f"position_scale_{place}": spread.clamp_min(least)})
        if self.settings.use_archive:
            parts = spread_mean_over_positions(moments.means(), torch.from_numpy(mean_features), self._mean_weights())
            self._fill(**{f"normal_map_{place}": part for place, part in enumerate(parts)})

    def _mean_weights(self) -> Tensor:
        """Return the weights (D,) of the mean classifier for features that are not standardized."""
        return self.weights.mean(dim=0) / self.scale

    def _fill(self, **values: Tensor | Floats) -> None:
        for name, value in values.items():
            self.get_buffer(name).copy_(torch.as_tensor(value))

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the scores of ``images`` (B, C, S, S), each with its own map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        maps = self.backbone(images)
        standardized = (pool_features(maps) - self.center) / self.scale
        scored: dict[str, Scored] = {}
        on_image = partial(sum_on_image, size=images.shape[-2:], sigma=self.settings.sigma)
        if self.settings.use_archive:
            members = standardized @ self.weights.T + self.biases
            parts = [
                part - self.get_buffer(f"normal_map_{place}")
                for place, part in enumerate(spread_over_positions(maps, self._mean_weights()))
            ]
            scored["ratio"] = Scored(members.mean(dim=1), on_image(parts), members)
        distance = ((standardized - self.normal_center) @ self.whitener).square().mean(dim=1)
        parts = [self._unlikely(features, place) / len(maps) for place, features in enumerate(maps)]
        scored["near"] = Scored(distance, on_image(parts), distance[:, None])
        return scored

    def _unlikely(self, features: Tensor, place: int) -> Tensor:
        """Return the mean squared distance (B, 1, h, w) of each position from the normals, in standard deviations."""
        mean, scale = (self.get_buffer(f"position_{name}_{place}") for name in ("mean", "scale"))
        return ((features - mean) / scale).square().mean(dim=1, keepdim=True)
