"""Settings of the perceptual autoencoder, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.methods._reconstruction_settings import AutoencoderSettings
from medad.methods.backbone_settings import BackboneSettings, backbone_field
from medad.registry import methods


@methods.settings_of("ae_perceptual")
class AEPerceptualSettings(BackboneSettings, AutoencoderSettings):
    """The settings of the perceptual autoencoder; the defaults are MedIAnomaly's. Published backbone: vgg19."""

    size: int = Field(64, ge=32, le=1024, multiple_of=32, description="side of the network's grid, in pixels")
    backbone: str = backbone_field("vgg19")
    scale: int = Field(
        2,
        ge=1,
        le=16,
        description="which of the backbone's maps, counted from the finest; published: the second of vgg19, stride 8",
    )
