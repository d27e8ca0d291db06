"""Settings of methods that train one network."""

from __future__ import annotations

from pydantic import Field

from medad.config import MOST_EPOCHS, MOST_RATE
from medad.methods._archive_settings import ArchiveSettings


class NetworkSettings(ArchiveSettings):
    """Adds how long and how fast the network learns; the defaults are MedIAnomaly's (Cai et al., 2025)."""

    epochs: int = Field(
        250, ge=1, le=MOST_EPOCHS, description="epochs of the network; MedIAnomaly: 250, for BrainTumor 600"
    )
    learning_rate: float = Field(1e-3, gt=0, le=MOST_RATE, description="of the network (Adam); MedIAnomaly: 1e-3")
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")
