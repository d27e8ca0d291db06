"""Settings of CDO. The authors' two releases, the paper's of 2023 and that of 2025, differ in these settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from medad.backbones import Fusion
from medad.config import MOST_EPOCHS, MOST_IMAGES, MOST_RATE, Resampling
from medad.methods.backbone_settings import BackboneSettings, backbone_field
from medad.registry import methods

MOST_RECTANGLES = 4
# The values of these settings for models whose cards were written before the settings existed.
EARLIER = {"maps": "cosine", "fusion": "nearest", "resize": "antialiased"}


@methods.settings_of("cdo")
class CDOSettings(BackboneSettings):
    """The settings of CDO; the defaults are those of the paper's release (2023)."""

    size: int = Field(256, ge=32, le=2048, multiple_of=32, description="side of the network's grid, in pixels")
    channels: Literal[1, 3] = Field(3, description="1 for gray, repeated for the backbone; 3 for color")
    batch_size: int = Field(16, ge=2, le=MOST_IMAGES, description="images in a training batch, and in a scoring batch")
    backbone: str = backbone_field("hrnet_w32")
    fusion: Fusion = Field(
        "bilinear", description="how HRNet's branches meet: as its authors built it; nearest: as timm does"
    )
    resize: Resampling = Field(
        "plain",
        description='"plain", bilinear without antialiasing, is the paper\'s; "two_steps" that of 2025: bicubic to '
        'four times the size, then "antialiased"',
    )
    rectangles: int = Field(
        MOST_RECTANGLES, ge=0, le=64, description="at most so many synthetic anomalies in an image (MOM); 0: none"
    )
    noise_grain: int = Field(
        1,
        ge=1,
        le=16,
        description="they are drawn on a grid so many times finer: 4 x 256 is the 1024 of 2025",
    )
    foreground: bool = Field(
        False,
        description="only on the object, what differs from the color of the image's border (Otsu); the paper does so "
        "for seven classes of MVTec AD",
    )
    gamma: float = Field(2.0, ge=0, le=10, description="how much the overlap counts (OOM); 0: as much as all else")
    epochs: int = Field(50, ge=1, le=MOST_EPOCHS, description="epochs of the apprentice")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="of the apprentice; adam has betas (0.5, 0.999)")
    learning_rate: float = Field(4e-4, gt=0, le=MOST_RATE, description="of the apprentice")
    weight_decay: float = Field(1e-4, ge=0, le=MOST_RATE, description="of the apprentice")
    decay: float = Field(0.95, gt=0, le=1, description="the learning rate is multiplied by it")
    decay_every: int = Field(1, ge=1, le=MOST_EPOCHS, description="epochs between two such steps")
    clip: float = Field(0.0, ge=0, le=1e6, description="largest norm of the gradient; 0: any. That of 2025 is 5")
    maps: Literal["features", "cosine"] = Field(
        "features",
        description='the paper\'s, from upsampled features, summed over the scales; "cosine": that of 2025, 1 - cosine '
        "similarity of each scale, upsampled, the mean",
    )
    sigma: float = Field(4.0, ge=0, le=64, description="of the Gaussian that smooths the maps, in pixels; 0: none")
    top_share: float = Field(0.01, gt=0, le=1, description='share of the pixels whose mean is the score "top"')
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")

    @classmethod
    def of_card(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a card, completed by ``EARLIER`` if the card is older than these settings."""
        return dict(stored) if "maps" in stored else {**EARLIER, **stored}

    @property
    def resampling(self) -> Resampling:
        """Return the setting ``resize``."""
        return self.resize
