"""Settings that the reconstruction methods share: those of MedIAnomaly (Cai et al., Medical Image Analysis, 2025)."""

from __future__ import annotations

from pydantic import Field

from medad.config import MOST_EPOCHS, MOST_RATE
from medad.methods._archive_settings import ArchiveSettings


class ReconstructionSettings(ArchiveSettings):
    """The settings of a reconstruction method; the defaults are MedIAnomaly's."""

    size: int = Field(64, ge=16, le=2048, multiple_of=16, description="side of the network's grid, in pixels")
    epochs: int = Field(
        250, ge=1, le=MOST_EPOCHS, description="epochs of the network; MedIAnomaly: 250, for BrainTumor 600"
    )
    learning_rate: float = Field(1e-3, gt=0, le=MOST_RATE, description="of the network (Adam); MedIAnomaly: 1e-3")
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")


class AutoencoderSettings(ReconstructionSettings):
    """Adds the widths of the autoencoder; MedIAnomaly's are those of DDAD's autoencoder but for ``hidden``."""

    latent: int = Field(16, ge=1, le=4096, description="numbers in the code of an image; MedIAnomaly: 16")
    hidden: int = Field(1024, ge=1, le=65_536, description="width of the linear layers; MedIAnomaly: 1024, DDAD: 2048")
