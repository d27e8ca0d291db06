"""Settings of NSA, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.methods._foreign_patch_settings import ForeignPatchSettings
from medad.registry import methods


@methods.settings_of("nsa")
class NSASettings(ForeignPatchSettings):
    """The settings of NSA; the defaults are MedIAnomaly's."""

    steepness: float = Field(
        0.5, gt=0, le=1000, description="of the logistic label, per gray level of change; MedIAnomaly: 1/2"
    )
    midpoint: float = Field(
        4.0, ge=0, le=255, description="change, in gray levels of 255, whose label is 1/2; MedIAnomaly: 4"
    )
