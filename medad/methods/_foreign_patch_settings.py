"""Settings that FPI, PII and NSA share: those of MedIAnomaly (Cai et al., Medical Image Analysis, 2025)."""

from __future__ import annotations

from pydantic import Field

from medad.config import MOST_EPOCHS, MOST_RATE
from medad.methods._network_settings import NetworkSettings


class ForeignPatchSettings(NetworkSettings):
    """The settings of a method that learns to find patches of other images; the defaults are MedIAnomaly's."""

    size: int = Field(
        256, ge=32, le=2048, description="side of the images, 7/8 of which the network sees; MedIAnomaly: 256"
    )
    epochs: int = Field(
        250, ge=1, le=MOST_EPOCHS, description="epochs of the network; MedIAnomaly: 250, for VinDr-CXR 400"
    )
    least_learning_rate: float = Field(
        1e-6, ge=0, le=MOST_RATE, description="to which the learning rate falls along a cosine; MedIAnomaly: 1e-6"
    )
    width: int = Field(
        64, ge=4, le=512, multiple_of=4, description="channels of the ResNet-18's first stage; published: 64"
    )
    patches: int = Field(3, ge=1, le=100, description="most patches in an image; MedIAnomaly: 3")
    background: float | None = Field(
        20,
        ge=0,
        lt=255,
        description="gray level, of 255, up to which a pixel is background, where no patch goes; null: none is; "
        "MedIAnomaly: 20",
    )
