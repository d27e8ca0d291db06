"""Maximum intensity as the anomaly score: a baseline that learns nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Generator, Tensor

from medad.methods._max_intensity_settings import MaxIntensitySettings
from medad.methods.base import Load, Method
from medad.registry import methods
from medad.training import Track
from medad.types import Scored, TrainingSet


@methods.register("max_intensity")
class MaxIntensity(Method):
    """Score an image by its highest intensity. A benchmark that this baseline solves shows nothing about a method."""

    settings_model = MaxIntensitySettings
    title = "brightest pixel"
    trivial = True

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "max"."""
        return {"max": "maximum intensity"}

    def fit(self, data: TrainingSet, load: Load, *, track: Track, rng: Generator, keep: Path | None = None) -> None:
        """Do nothing: this baseline learns nothing."""

    def score(self, images: Tensor) -> dict[str, Scored]:
        """Return the maximum over the pixels of the channel mean, which is the map."""
        maps = images.mean(dim=1, keepdim=True)
        score = torch.amax(maps, dim=(1, 2, 3))
        return {"max": Scored(score, maps, score[:, None])}
