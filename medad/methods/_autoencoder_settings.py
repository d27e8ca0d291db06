"""Settings of the autoencoder, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medad.methods._reconstruction_settings import AutoencoderSettings
from medad.registry import methods


@methods.settings_of("autoencoder")
class PlainAutoencoderSettings(AutoencoderSettings):
    """The settings of the autoencoder; the defaults are MedIAnomaly's."""

    difference: Literal["squared", "absolute"] = Field(
        "squared", description="loss and map: squared (MedIAnomaly's AE, AE-l2) or absolute (AE-l1)"
    )
