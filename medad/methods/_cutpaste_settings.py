"""Settings of CutPaste, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.config import MOST_EPOCHS, MOST_RATE
from medad.methods._network_settings import NetworkSettings
from medad.registry import methods


@methods.settings_of("cutpaste")
class CutPasteSettings(NetworkSettings):
    """The settings of CutPaste with three classes; the defaults are MedIAnomaly's."""

    size: int = Field(224, ge=32, le=2048, description="side of the network's grid, in pixels; MedIAnomaly: 224")
    epochs: int = Field(100, ge=1, le=MOST_EPOCHS, description="epochs of the network; MedIAnomaly: 100")
    steps: int = Field(256, ge=1, le=1_000_000, description="batches in an epoch; published: 256")
    learning_rate: float = Field(
        0.03, gt=0, le=MOST_RATE, description="of the network (SGD), which falls to 0 along a cosine; published: 0.03"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="of the optimizer; published: 0.9")
    weight_decay: float = Field(3e-5, ge=0, le=MOST_RATE, description="of the optimizer; published: 3e-5")
    width: int = Field(64, ge=1, le=512, description="channels of the ResNet-18's first stage; published: 64")
    jitter: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="by which brightness, contrast and saturation of images and patches vary; published: 0.1",
    )
    candidates: int = Field(
        20_000,
        ge=2,
        le=10_000_000,
        description="positions of training images from which the map's density is estimated, drawn at random; not "
        "published",
    )
