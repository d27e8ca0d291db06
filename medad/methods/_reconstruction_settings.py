"""Settings that the reconstruction methods share: those of MedIAnomaly (Cai et al., Medical Image Analysis, 2025)."""

from __future__ import annotations

from pydantic import Field

from medad.methods._network_settings import NetworkSettings


class ReconstructionSettings(NetworkSettings):
    """The settings of a reconstruction method; the defaults are MedIAnomaly's."""

    size: int = Field(64, ge=16, le=2048, multiple_of=16, description="side of the network's grid, in pixels")


class AutoencoderSettings(ReconstructionSettings):
    """Adds the widths of the autoencoder; MedIAnomaly's are those of DDAD's autoencoder but for ``hidden``."""

    latent: int = Field(16, ge=1, le=4096, description="numbers in the code of an image; MedIAnomaly: 16")
    hidden: int = Field(1024, ge=1, le=65_536, description="width of the linear layers; MedIAnomaly: 1024, DDAD: 2048")
