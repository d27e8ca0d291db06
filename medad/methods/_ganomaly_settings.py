"""Settings of GANomaly, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medad.methods._reconstruction_settings import AutoencoderSettings
from medad.registry import methods


@methods.settings_of("ganomaly")
class GANomalySettings(AutoencoderSettings):
    """The settings of GANomaly (Akcay et al., ACCV 2018); networks and rates are MedIAnomaly's."""

    contextual: Literal["squared", "absolute"] = Field(
        "squared", description="error of the reconstruction in the loss: squared (MedIAnomaly) or absolute (GANomaly)"
    )
    adversarial_weight: float = Field(1.0, ge=0, le=1e6, description="of the discriminator's features; published: 1")
    contextual_weight: float = Field(50.0, ge=0, le=1e6, description="of the reconstruction; published: 50")
    encoding_weight: float = Field(1.0, ge=0, le=1e6, description="of the codes; published: 1")
