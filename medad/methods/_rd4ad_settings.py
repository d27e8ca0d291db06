"""Settings of RD4AD, which can be listed and checked without importing torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medad.config import MOST_EPOCHS, MOST_IMAGES, MOST_RATE
from medad.methods._archive_settings import ArchiveBackboneSettings
from medad.registry import methods


@methods.settings_of("rd4ad")
class RD4ADSettings(ArchiveBackboneSettings):
    """The settings of RD4AD; the defaults are those of its authors' code (Deng and Li, CVPR 2022)."""

    size: int = Field(256, ge=32, le=1024, multiple_of=32, description="side of the network's grid; published: 256")
    batch_size: int = Field(16, ge=2, le=MOST_IMAGES, description="images in a training batch; published: 16")
    epochs: int = Field(200, ge=1, le=MOST_EPOCHS, description="epochs of the student; published: 200")
    learning_rate: float = Field(
        5e-3, gt=0, le=MOST_RATE, description="of the student (Adam, betas 0.5 and 0.999); published: 5e-3"
    )
    blocks: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        (3, 3, 4, 6),
        min_length=4,
        max_length=4,
        description="residual blocks of the embedding and of the decoder's stages, coarse to fine; published for "
        "wide_resnet50_2, whose blocks are used for every backbone",
    )
    sigma: float = Field(4.0, ge=0, le=64, description="of the Gaussian that smooths the maps, in pixels; published: 4")
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")
