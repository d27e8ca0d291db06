"""Settings of the acquisition baseline, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medad.config import Settings
from medad.registry import methods


@methods.settings_of("acquisition")
class AcquisitionSettings(Settings):
    """The settings of the acquisition baseline: those of every method, at the scale of the pixel statistics."""

    learns_from_unlabeled: ClassVar[bool] = True

    size: int = Field(224, ge=16, le=2048, description="side of the images whose statistics are computed, in pixels")
