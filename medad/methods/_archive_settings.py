"""Settings of methods that are published for normal images alone and can be given the archive too."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from medad.backbones import NONE
from medad.config import Settings
from medad.registry import UnknownName, backbones


class ArchiveSettings(Settings):
    """Adds ``use_archive``: with it, unlabeled studies are learned from as if they were normal."""

    learns_from_unlabeled: ClassVar[bool] = True

    use_archive: bool = Field(
        False, description="learn from the unlabeled studies too, as if they were normal; published: false"
    )


class BackboneSettings(ArchiveSettings):
    """Adds the frozen backbone, its weights, and the size of its images."""

    size: int = Field(224, ge=32, le=1024, multiple_of=32, description="side of the network's grid, in pixels")
    backbone: str = Field(
        "wide_resnet50_2",
        max_length=1000,
        description=f"{', '.join(backbones.names())}; timm:NAME for any model of timm",
    )
    weights: str = Field(
        "imagenet", max_length=4000, description='of the backbone: "imagenet", "none" (tests only), or a file'
    )

    @field_validator("backbone")
    @classmethod
    def _backbone(cls, name: str) -> str:
        try:
            return backbones.check(name)
        except UnknownName as error:
            raise ValueError(str(error)) from None

    @property
    def architecture(self) -> str:
        """Return the name of the backbone, with "-random" appended if it has no trained weights."""
        return self.backbone.replace(":", "-") + ("-random" if self.weights == NONE else "")
