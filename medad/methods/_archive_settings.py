"""Settings of methods that are published for normal images alone and can be given the archive too."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medad.config import Settings
from medad.methods.backbone_settings import BackboneSettings, backbone_field


class ArchiveSettings(Settings):
    """Adds ``use_archive``: with it, unlabeled studies are learned from as if they were normal."""

    learns_from_unlabeled: ClassVar[bool] = True

    use_archive: bool = Field(
        False, description="learn from the unlabeled studies too, as if they were normal; published: false"
    )


class ArchiveBackboneSettings(ArchiveSettings, BackboneSettings):
    """Adds the frozen backbone, its weights, and the size of its images."""

    size: int = Field(224, ge=32, le=1024, multiple_of=32, description="side of the network's grid, in pixels")
    backbone: str = backbone_field("wide_resnet50_2")
