"""Settings of DDAD, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from medad.config import MOST_EPOCHS, MOST_IMAGES, MOST_RATE, Settings
from medad.registry import methods, networks, scores

MOST_MEMBERS = 32


@methods.settings_of("ddad")
class DDADSettings(Settings):
    """The settings of DDAD; the defaults are the published ones."""

    learns_from_unlabeled: ClassVar[bool] = True

    network: str = Field("ae", description=f"reconstruction network: {', '.join(networks.names())}")
    members: int = Field(3, ge=1, le=MOST_MEMBERS, description="networks in each of the two modules")
    epochs: int = Field(250, ge=1, le=MOST_EPOCHS, description="epochs of the reconstruction networks")
    learning_rate: float = Field(5e-4, gt=0, le=MOST_RATE, description="of the reconstruction networks (Adam)")
    scores: tuple[str, ...] = Field(
        ("single", "rec", "intra", "inter", "r_intra", "r_dual"),
        min_length=1,
        max_length=100,
        description=f"which scores to give: {', '.join(scores.names())}",
    )
    refine_epochs: int = Field(100, ge=1, le=MOST_EPOCHS, description="epochs of ASR-Net")
    refine_batch_size: int = Field(8, ge=2, le=MOST_IMAGES, description="images in a training batch of ASR-Net")
    refine_learning_rate: float = Field(1e-4, gt=0, le=MOST_RATE, description="of ASR-Net (Adam)")
    refine_weight_decay: float = Field(1e-4, ge=0, le=MOST_RATE, description="of ASR-Net (Adam)")
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")

    @property
    def least_tensors(self) -> int:
        """Return the number of networks of a module, as each network has at least one tensor."""
        return self.members

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
