"""Density ratio of an archive and known normals in the features of a frozen network, without training a network.

The principle of DDAD (Cai et al., Medical Image Analysis 86:102794, 2023) is that normal scans and an archive differ
where the archive is abnormal. It is applied to densities of features: a regularized classifier of archive against
normal estimates log p(archive) / p(normal). No label is used. The strength of the regularization is the one with which
held-out patients of the archive are best distinguished from held-out normals.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from medad.backbones import NONE
from medad.backbones._weights import locate, read
from medad.backbones.base import Backbone, built
from medad.functional.density_ratio import (
    Floats,
    Ints,
    bootstrap_groups,
    cross_fitted_scores,
    cross_validated_auc,
    fit_ratio,
    whitening,
)
from medad.functional.imagenet import normalize_for_imagenet
from medad.functional.pooled_features import SCALES, pool_features, spread_over_positions
from medad.functional.pooling import highest_by_item
from medad.functional.smoothing import gaussian
from medad.methods._ratio_settings import RatioSettings
from medad.methods.base import CrossFitted, Load, Method
from medad.methods.batching import score_in_shares
from medad.progress import progress
from medad.registry import backbones, methods
from medad.training import Track, TrainingError
from medad.types import Scored, Study, TrainingSet

log = logging.getLogger(__name__)
LEAST_SCALE = 1e-6  # a feature with a smaller standard deviation is not scaled
LEAST_POSITION_SCALE = 0.1  # of a map's mean spread; constant borders would make any change infinite
TITLES = {
    "ratio": "log ratio of archive to normal density of frozen features",
    "near": "distance from the normals in frozen features",
}


@dataclass(frozen=True)
class _Features:
    """The features (N, D) of N images after one pass through the backbone, and the patient of each (``groups``).

    ``studies`` are the study of each image. ``moments`` are for each scale the means (C, h, w) of the maps and of their
    squares, over the images.
    """

    features: Floats
    groups: list[str]
    studies: list[Study]
    moments: list[tuple[Tensor, Tensor]]


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
        self._architecture: Backbone = backbones.get(settings.backbone)
        self.backbone = built(self._architecture, Generator().manual_seed(0), trunk=True).requires_grad_(False)
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

    def rehearse(self, allow_download: bool = False) -> None:
        """Check that the file of the backbone's weights exists and fits. Raises BackboneError."""
        if self.settings.weights != NONE:
            self._architecture.trunk(read(locate(self._architecture, self.settings.weights, allow_download)))

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
        if settings.weights != NONE:
            tensors = read(locate(self._architecture, settings.weights))
            self.backbone.load_state_dict(self._architecture.trunk(tensors).state_dict())
        else:
            log.warning("weights=none: the frozen network is random. This serves tests, its results say nothing")
        self.to(load.device)
        normal = self._read(data.normal, load, "extract features of normals")
        if len(normal.features) < 2:
            raise TrainingError(f"the spread of normal images needs at least 2 of them, got {len(normal.features)}")
        archive = self._read(data.unlabeled, load, "extract features of the archive") if settings.use_archive else None
        features = normal.features if archive is None else np.concatenate([normal.features, archive.features])
        center, scale = features.mean(axis=0), features.std(axis=0)
        scale[scale < LEAST_SCALE] = 1.0
        self._fill(center=center, scale=scale)
        if archive is not None:
            groups = np.unique([*normal.groups, *archive.groups], return_inverse=True)[1]
            labels = np.repeat([0, 1], [len(normal.features), len(archive.features)])
            self._fit_ratio((features - center) / scale, labels, groups, rng.initial_seed() % 2**32, track)
            self._center_maps(normal)
        mean, whitener = whitening((normal.features - center) / scale)
        self._fill(normal_center=mean, whitener=whitener)
        for place, (first, second) in enumerate(normal.moments):
            spread = (second - first**2).clamp_min(0).sqrt()
            least = spread.mean() * LEAST_POSITION_SCALE + LEAST_SCALE
            self._fill(**{f"position_mean_{place}": first, f"position_scale_{place}": spread.clamp_min(least)})
        self.eval()

    @property
    def learned_archive(self) -> bool:
        """Whether the classifiers exist that learn from unlabeled studies."""
        return self.settings.use_archive

    def cross_fit(self, data: TrainingSet, load: Load, *, rng: Generator) -> CrossFitted:
        """Score each study by a classifier that learned from other patients (:func:`cross_fitted_scores`).

        The regularization is one value for all classifiers, chosen as in :meth:`fit`. A volume has the score of its
        highest slice.

        Raises:
            UndefinedMetric: normals or archive have fewer than 2 patients.
        """
        normal = self._read(data.normal, load, "extract features of normals")
        archive = self._read(data.unlabeled, load, "extract features of the archive")
        features = np.concatenate([normal.features, archive.features])
        labels = np.repeat([0, 1], [len(normal.features), len(archive.features)])
        groups = np.unique([*normal.groups, *archive.groups], return_inverse=True)[1]
        folds, seed = self.settings.folds, rng.initial_seed() % 2**32
        scale = features.std(axis=0)
        scale[scale < LEAST_SCALE] = 1.0
        standardized, strengths = (features - features.mean(axis=0)) / scale, self.settings.strengths
        with progress("cross-fit classifiers", 2) as advance:
            aucs = cross_validated_auc(standardized, labels, groups, strengths, folds, seed)
            advance(1)
            strength = strengths[int(np.nanargmax(aucs))] if np.isfinite(aucs).any() else strengths[len(strengths) // 2]
            scores = cross_fitted_scores(features, labels, groups, strength, folds, seed)
            advance(1)
        parts = np.split(scores, [len(normal.features)])
        (normals, first), (archived, second) = (
            highest_by_item(part.studies, values) for part, values in zip((normal, archive), parts, strict=True)
        )
        return CrossFitted("ratio", normals, first, archived, second)

    def _read(self, studies: Sequence[Study], load: Load, task: str) -> _Features:
        """Pass the images of ``studies`` through the backbone once."""
        vectors: list[Tensor] = []
        groups: list[str] = []
        owners: list[Study] = []
        sums: list[tuple[Tensor, Tensor]] = []
        with progress(task, len(studies)) as advance, torch.inference_mode():
            for study, images in load.stream(studies, self.settings.batch_size):
                for batch in torch.split(images, self.settings.batch_size):
                    maps = self._maps(batch.to(self.center.device))
                    vectors.append(pool_features(maps).cpu())
                    new = [
                        (feature_map.double().sum(dim=0), feature_map.double().square().sum(dim=0))
                        for feature_map in maps
                    ]
                    sums = [(a + c, b + d) for (a, b), (c, d) in zip(sums, new, strict=True)] if sums else new
                groups += [study.patient or f"study {study.id}"] * len(images)
                owners += [study] * len(images)
                advance(1)
        count = len(groups)
        features = torch.cat(vectors).double().numpy()
        return _Features(features, groups, owners, [(first / count, second / count) for first, second in sums])

    def _fit_ratio(self, features: Floats, labels: Ints, groups: Ints, seed: int, track: Track) -> None:
        settings = self.settings
        aucs = cross_validated_auc(features, labels, groups, settings.strengths, settings.folds, seed)
        judged = [auc for auc in aucs if np.isfinite(auc)]
        place = aucs.index(max(judged)) if judged else len(aucs) // 2
        strength = settings.strengths[place]
        if judged:
            track("ratio/archive_auc", aucs[place], 0)
            log.info("archive against normals, held-out patients: AUC %.3f with C = %g", aucs[place], strength)
        track("ratio/strength", strength, 0)
        random = np.random.default_rng(seed)
        members = []
        with progress("fit classifiers", settings.members) as advance:
            for _ in range(settings.members):
                drawn = self._drawn(labels, groups, random)
                members.append(fit_ratio(features[drawn], labels[drawn], strength))
                advance(1)
        self._fill(
            weights=np.stack([member.weights for member in members]),
            biases=np.array([member.bias for member in members]),
        )

    def _drawn(self, labels: Ints, groups: Ints, random: np.random.Generator) -> Ints:
        """Return the indices of a bootstrap sample of patients, or all indices if the sample lacks one class."""
        drawn = bootstrap_groups(groups, random)
        return drawn if len(np.unique(labels[drawn])) == 2 else np.arange(len(labels))

    def _center_maps(self, normal: _Features) -> None:
        """Store the mean map of the normals for each scale, which is subtracted from every map."""
        weights = self._mean_weights().double().cpu()
        means = [first[None].cpu() for first, _ in normal.moments]
        channels = [mean_map.shape[1] for mean_map in means]
        starts = np.cumsum([0, *channels])
        for place, mean_map in enumerate(means):
            spread = torch.einsum("bchw,c->bhw", mean_map, weights[starts[place] : starts[place + 1]])[:, None]
            if place < SCALES:
                first = sum(channels) + int(starts[place])
                part = slice(first, first + channels[place])
                spread = spread + float(weights[part] @ torch.from_numpy(normal.features.mean(axis=0))[part])
            self._fill(**{f"normal_map_{place}": spread})

    def _mean_weights(self) -> Tensor:
        """Return the weights (D,) of the mean classifier for features that are not standardized."""
        return self.weights.mean(dim=0) / self.scale

    def _fill(self, **values: Tensor | Floats) -> None:
        for name, value in values.items():
            self.get_buffer(name).copy_(torch.as_tensor(value))

    def _maps(self, images: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.backbone(normalize_for_imagenet(images))
        return maps

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the scores of ``images`` (B, C, S, S), each with its own map."""
        return score_in_shares(self._score, images)

    def _score(self, images: Tensor) -> dict[str, Scored]:
        maps = self._maps(images)
        standardized = (pool_features(maps) - self.center) / self.scale
        scored: dict[str, Scored] = {}
        if self.settings.use_archive:
            members = standardized @ self.weights.T + self.biases
            parts = [
                part - self.get_buffer(f"normal_map_{place}")
                for place, part in enumerate(spread_over_positions(maps, self._mean_weights()))
            ]
            scored["ratio"] = Scored(members.mean(dim=1), self._on_image(parts, images), members)
        distance = ((standardized - self.normal_center) @ self.whitener).square().mean(dim=1)
        parts = [self._unlikely(features, place) / len(maps) for place, features in enumerate(maps)]
        scored["near"] = Scored(distance, self._on_image(parts, images), distance[:, None])
        return scored

    def _unlikely(self, features: Tensor, place: int) -> Tensor:
        """Return the mean squared distance (B, 1, h, w) of each position from the normals, in standard deviations."""
        mean, scale = (self.get_buffer(f"position_{name}_{place}") for name in ("mean", "scale"))
        return ((features - mean) / scale).square().mean(dim=1, keepdim=True)

    def _on_image(self, parts: Sequence[Tensor], images: Tensor) -> Tensor:
        """Return the sum of the maps of several scales on the grid of ``images``, smoothed."""
        size = images.shape[-2:]
        whole = torch.stack([interpolate(part, size, mode="bilinear", align_corners=False) for part in parts])
        return gaussian(whole.sum(dim=0), self.settings.sigma)
