"""The settings of the methods that medad brings, where they can be listed and checked without importing torch.

A method of yours may keep its settings in its own file: they are found there as well, and its file is imported for it.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from medad.backbones import NONE
from medad.config import Settings
from medad.registry import UnknownName, backbones, methods, networks, scores

MOST_RECTANGLES = 4


@methods.settings_of("ddad")
class DDADSettings(Settings):
    """The published settings are the defaults."""

    learns_from_unlabeled: ClassVar[bool] = True

    network: str = Field("ae", description=f"reconstruction network: {', '.join(networks.names())}")
    members: int = Field(3, ge=1, description="networks in each of the two modules")
    epochs: int = Field(250, ge=1, description="epochs of the reconstruction networks")
    learning_rate: float = Field(5e-4, gt=0, description="of the reconstruction networks (Adam)")
    scores: tuple[str, ...] = Field(
        ("single", "rec", "intra", "inter", "r_intra", "r_dual"),
        min_length=1,
        description=f"which scores to give: {', '.join(scores.names())}",
    )
    refine_epochs: int = Field(100, ge=1, description="epochs of ASR-Net")
    refine_batch_size: int = Field(8, ge=2, description="images in a training batch of ASR-Net")
    refine_learning_rate: float = Field(1e-4, gt=0, description="of ASR-Net (Adam)")
    refine_weight_decay: float = Field(1e-4, ge=0, description="of ASR-Net (Adam)")
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")

    @field_validator("size")
    @classmethod
    def _divisible(cls, size: int) -> int:
        if size % 16:
            raise ValueError("the networks halve the image four times: use a multiple of 16")
        return size

    @field_validator("network")
    @classmethod
    def _network(cls, name: str) -> str:
        if name not in networks.names():
            raise ValueError(f"choose from {', '.join(networks.names())}")
        return name

    @field_validator("scores")
    @classmethod
    def _scores(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in scores.names()]
        if unknown or len(set(names)) < len(names):
            raise ValueError(f"choose from {', '.join(scores.names())}, each once")
        return names


@methods.settings_of("cdo")
class CDOSettings(Settings):
    """The paper's settings are the defaults."""

    size: int = Field(256, ge=32, le=2048, multiple_of=32, description="side of the network's grid, in pixels")
    channels: Literal[1, 3] = Field(3, description="1 for gray, repeated for the backbone; 3 for color")
    batch_size: int = Field(16, ge=2, description="images in a training batch, and in a scoring batch")
    backbone: str = Field("hrnet_w32", description=f"{', '.join(backbones.names())}; timm:NAME for any model of timm")
    weights: str = Field("imagenet", description='of the expert: "imagenet", "none" (tests only), or a file')
    rectangles: int = Field(
        MOST_RECTANGLES, ge=0, le=64, description="at most so many synthetic anomalies in an image (MOM); 0: none"
    )
    noise_grain: int = Field(
        4, ge=1, le=16, description="they are drawn on a grid so many times finer: 4 x 256 is the paper's 1024"
    )
    gamma: float = Field(2.0, ge=0, le=10, description="how much the overlap counts (OOM); 0: as much as all else")
    epochs: int = Field(50, ge=1, description="epochs of the apprentice")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="of the apprentice; adam has betas (0.5, 0.999)")
    learning_rate: float = Field(4e-4, gt=0, description="of the apprentice")
    weight_decay: float = Field(1e-4, ge=0, description="of the apprentice")
    decay: float = Field(0.95, gt=0, le=1, description="the learning rate is multiplied by it")
    decay_every: int = Field(1, ge=1, description="epochs between two such steps")
    sigma: float = Field(4.0, ge=0, le=64, description="of the Gaussian that smooths the maps, in pixels; 0: none")
    top_share: float = Field(0.01, gt=0, le=1, description='share of the pixels whose mean is the score "top"')
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")

    @field_validator("backbone")
    @classmethod
    def _backbone(cls, name: str) -> str:
        try:
            return backbones.check(name)
        except UnknownName as error:
            raise ValueError(str(error)) from None

    @property
    def architecture(self) -> str:
        """The backbone; one without trained weights is called so in every row."""
        return self.backbone.replace(":", "-") + ("-random" if self.weights == NONE else "")


@methods.settings_of("pca")
class PCASettings(Settings):
    """Settings of the PCA baseline."""

    components: int = Field(16, ge=1, description="principal components; 16 is the width of the autoencoders' code")


@methods.settings_of("max_intensity")
class MaxIntensitySettings(Settings):
    """Those of every method."""
