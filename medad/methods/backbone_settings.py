"""Define the settings that all methods with a pretrained backbone share; they can be read without importing torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from medad.backbones import NONE
from medad.config import Settings
from medad.registry import UnknownName, backbones


def backbone_field(default: str) -> Any:
    """Return the field ``backbone`` with another default, for a subclass of BackboneSettings."""
    names = ", ".join(backbones.names())
    return Field(default, max_length=1000, description=f"{names}; timm:NAME for any model of timm")


class BackboneSettings(Settings):
    """The settings of a method with a pretrained backbone; a method adds its own.

    >>> BackboneSettings(backbone="resnet18", weights="none").architecture
    'resnet18-random'
    """

    backbone: str = backbone_field("resnet18")
    weights: str = Field(
        "imagenet", max_length=4000, description='of the backbone: "imagenet", "none" (tests only), or a file'
    )

    @field_validator("backbone")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        try:
            return backbones.check(name)
        except UnknownName as error:
            raise ValueError(str(error)) from None

    @property
    def architecture(self) -> str:
        """Return the name of the backbone, with "-random" appended if it has no trained weights."""
        return self.backbone.replace(":", "-") + ("-random" if self.weights == NONE else "")
