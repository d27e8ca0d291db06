"""Settings of PatchCore, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from medad.config import MOST_IMAGES
from medad.methods._archive_settings import ArchiveBackboneSettings
from medad.registry import methods


@methods.settings_of("patchcore")
class PatchCoreSettings(ArchiveBackboneSettings):
    """PatchCore's settings; the defaults are those of the paper (Roth et al., CVPR 2022) except for ``candidates``."""

    batch_size: int = Field(32, ge=2, le=MOST_IMAGES, description="images in a pass through the backbone")
    scales: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        (2, 3),
        min_length=1,
        max_length=16,
        description="which of the backbone's maps, counted from the finest, are joined; published: stages 2 and 3",
    )
    candidates: int = Field(
        50_000,
        ge=10,
        le=1_000_000,
        description="features from which the coreset is chosen, a random sample of those of all training images, which "
        "bounds memory and time; published: all of them",
    )
    coreset: float = Field(
        0.1, gt=0, le=1, description="share of the candidates that is stored (greedy k-center); published: 0.1"
    )
    projection: int = Field(
        128,
        ge=0,
        le=2048,
        description="dimensions of the sparse random projection in which the coreset is chosen; 0: none",
    )
    neighbors: int = Field(
        9, ge=1, le=100, description="stored features that weight the image score; anomalib's value, 1: no weight"
    )
    sigma: float = Field(4.0, ge=0, le=64, description="of the Gaussian that smooths the maps, in pixels; the paper's")

    @field_validator("scales")
    @classmethod
    def _scales(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(values)) < len(values):
            raise ValueError("name each map once")
        return tuple(sorted(values))
