"""Acquisition facts alone as the anomaly score: what it reaches tells scanners apart, not disease."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from medad.functional.additive_ratio import LEVELS, Additive, additive_terms, fit_additive, knots_of, standardizing
from medad.functional.image_statistics import STATISTICS, image_statistics
from medad.functional.intervals import Floats
from medad.methods._acquisition_settings import AcquisitionSettings
from medad.methods.base import Load, Method
from medad.progress import progress
from medad.registry import methods
from medad.training import Track, TrainingError
from medad.types import Scored, Study, TrainingSet

LEAST_SPREAD = 1e-3  # of the normals' intensities, in the range -1 to 1


@methods.register("acquisition")
class Acquisition(Method):
    """Score an image by twenty statistics of its pixels: percentiles, border, sharpness, noise and the like.

    The score is the log odds of the archive against the normals, or without an archive the distance from the normals.
    Headers are not used: a method sees images only. A statistic has no place, so that the map, which shows how far each
    pixel's intensity is from the mean of the normals, is an illustration.
    """

    settings_model = AcquisitionSettings
    title = "acquisition facts"
    trivial = True
    no_graph = "its statistics are computed outside of PyTorch"
    settings: AcquisitionSettings
    knots: Tensor  # (20, 5)
    center: Tensor  # (D,) of the terms
    scale: Tensor  # (D,)
    weights: Tensor  # (D,)
    bias: Tensor
    has_archive: Tensor  # 1 if the weights are those of a classifier
    intensity: Tensor  # (2,): mean and standard deviation of the normals' pixels

    def __init__(self, settings: AcquisitionSettings) -> None:
        super().__init__(settings)
        count = len(STATISTICS) * len(LEVELS)
        self.register_buffer("knots", torch.zeros(len(STATISTICS), len(LEVELS)))
        for name, value in (("center", 0.0), ("scale", 1.0), ("weights", 0.0)):
            self.register_buffer(name, torch.full((count,), value))
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("has_archive", torch.zeros(()))
        self.register_buffer("intensity", torch.tensor([0.0, 1.0]))

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "facts"."""
        return {"facts": "acquisition facts alone (no disease)"}

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Fit the additive model of normals against archive, or the center of the normals if there is no archive.

        Raises:
            TrainingError: there are fewer than 2 normal images.
        """
        normal, owners, intensity = self._read(data.normal, load, "statistics of normals")
        if len(normal) < 2:
            raise TrainingError(f"the spread of normal images needs at least 2 of them, got {len(normal)}")
        if data.unlabeled:
            archive, others, _ = self._read(data.unlabeled, load, "statistics of the archive")
            values, second = np.concatenate([normal, archive]), np.repeat([0, 1], [len(normal), len(archive)])
            knots = self._stored(knots_of(values))
            groups = np.unique([*owners, *others], return_inverse=True)[1]
            fitted = fit_additive(additive_terms(values, knots), second, groups, rng.initial_seed() % 2**32)
        else:
            knots = self._stored(knots_of(normal))
            fitted = standardizing(additive_terms(normal, knots))
        self._fill(knots=knots, center=fitted.center, scale=fitted.scale, bias=np.array(fitted.bias))
        if fitted.weights is not None:
            self._fill(weights=fitted.weights, has_archive=np.ones(()))
        self._fill(intensity=intensity)

    def _read(self, studies: Sequence[Study], load: Load, task: str) -> tuple[Floats, list[str], Floats]:
        """Return the statistics (N, 20) of all images, the patient of each, and mean and deviation of the pixels."""
        rows: list[Floats] = []
        owners: list[str] = []
        with progress(task, len(studies)) as advance:
            for study, images in load.stream(studies, self.settings.batch_size):
                rows += list(_statistics(images))
                owners += [study.patient or f"study {study.id}"] * len(images)
                advance(1)
        values = np.array(rows)
        mean, spread = values[:, STATISTICS.index("mean")], values[:, STATISTICS.index("std")]
        whole = (spread**2 + (mean - mean.mean()) ** 2).mean() ** 0.5
        return values, owners, np.array([2 * mean.mean() - 1, max(2 * whole, LEAST_SPREAD)])

    def _stored(self, values: Floats) -> Floats:
        """Return ``values`` as the buffers hold them, so that the model is fitted to the terms that it scores by."""
        return values.astype(np.float32).astype(np.float64)

    def _fill(self, **values: Floats) -> None:
        for name, value in values.items():
            self.get_buffer(name).copy_(torch.as_tensor(value))

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the score of each image by its statistics, and the distance of its pixels from the normals' mean."""
        knots, center, scale, weights = (
            self.get_buffer(name).double().cpu().numpy() for name in ("knots", "center", "scale", "weights")
        )
        model = Additive(center, scale, weights if self.has_archive else None, float(self.bias))
        terms = additive_terms(_statistics(images), knots)
        score = torch.as_tensor(model.score(terms), dtype=images.dtype, device=images.device)
        maps = (images.mean(dim=1, keepdim=True) - self.intensity[0]).abs() / self.intensity[1]
        return {"facts": Scored(score, maps, score[:, None])}


def _statistics(images: Tensor) -> Floats:
    """Return the statistics (B, 20) of images (B, C, S, S) in [-1, 1], of the mean of their channels."""
    gray = ((images.mean(dim=1) + 1) / 2).double().cpu().numpy()
    return np.stack([image_statistics(image) for image in gray])
