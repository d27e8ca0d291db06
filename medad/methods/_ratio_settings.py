"""Settings of the feature ratio, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from medad.methods.backbone_settings import BackboneSettings, backbone_field
from medad.registry import methods


@methods.settings_of("ratio")
class RatioSettings(BackboneSettings):
    """The settings of the feature ratio; cross-validation of normal against archive chooses the regularization."""

    learns_from_unlabeled: ClassVar[bool] = True

    size: int = Field(224, ge=32, le=1024, multiple_of=32, description="side of the network's grid, in pixels")
    batch_size: int = Field(32, ge=2, le=4096, description="images in a pass through the backbone")
    backbone: str = backbone_field("efficientnet_lite0")
    use_archive: bool = Field(True, description='false: only the score "near", which needs no unlabeled studies')
    members: int = Field(5, ge=1, le=100, description="classifiers, each from a bootstrap sample of the patients")
    strengths: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = Field(
        (1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
        min_length=1,
        max_length=20,
        description="inverse regularizations (scikit-learn's C) that cross-validation chooses from",
    )
    folds: int = Field(5, ge=2, le=20, description="of that cross-validation; no patient is on both sides")
    sigma: float = Field(4.0, ge=0, le=64, description="of the Gaussian that smooths the maps, in pixels; 0: none")

    @field_validator("strengths")
    @classmethod
    def _strengths(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(values))
