"""Settings of the perceptual autoencoder, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field, field_validator

from medad.backbones import NONE
from medad.methods._reconstruction_settings import AutoencoderSettings
from medad.registry import UnknownName, backbones, methods


@methods.settings_of("ae_perceptual")
class AEPerceptualSettings(AutoencoderSettings):
    """The settings of the perceptual autoencoder; the defaults are MedIAnomaly's."""

    size: int = Field(64, ge=32, le=1024, multiple_of=32, description="side of the network's grid, in pixels")
    backbone: str = Field(
        "vgg19",
        max_length=1000,
        description=f"whose features are compared, published: vgg19; {', '.join(backbones.names())}; timm:NAME for any "
        "model of timm",
    )
    weights: str = Field(
        "imagenet", max_length=4000, description='of the backbone: "imagenet", "none" (tests only), or a file'
    )
    scale: int = Field(
        2,
        ge=1,
        le=16,
        description="which of the backbone's maps, counted from the finest; published: the second of vgg19, stride 8",
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
