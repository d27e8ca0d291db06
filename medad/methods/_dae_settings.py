"""Settings of the denoising autoencoder, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from medad.config import MOST_IMAGES
from medad.methods._reconstruction_settings import ReconstructionSettings
from medad.registry import methods


@methods.settings_of("dae")
class DAESettings(ReconstructionSettings):
    """The settings of the denoising autoencoder; the defaults are MedIAnomaly's."""

    size: int = Field(128, ge=16, le=2048, multiple_of=2, description="side of the network's grid; MedIAnomaly: 128")
    batch_size: int = Field(16, ge=2, le=MOST_IMAGES, description="images in a training batch; MedIAnomaly: 16")
    width: int = Field(
        64, ge=2, le=512, multiple_of=2, description="channels of the U-Net's first level; published: 64"
    )
    depth: int = Field(5, ge=2, le=8, description="levels of the U-Net, each twice as wide; MedIAnomaly: 5")
    noise: float = Field(
        0.2, ge=0, le=10, description="standard deviation of the noise, of intensities in [0, 1]; published: 0.2"
    )
    noise_grid: int = Field(16, ge=2, le=2048, description="side of the grid that the noise is drawn on; published: 16")
    foreground: bool = Field(
        False, description="noise only where the image is above its minimum; MedIAnomaly does so on MR"
    )

    @model_validator(mode="after")
    def _fits(self) -> DAESettings:
        coarsest, remainder = divmod(self.size, 2 ** (self.depth - 1))
        if remainder or coarsest < 2:
            raise ValueError(
                f"size={self.size} cannot be halved {self.depth - 1} times to 2 or more pixels: use a multiple of "
                f"{2 ** (self.depth - 1)} that is at least {2**self.depth}, or a smaller depth"
            )
        return self
