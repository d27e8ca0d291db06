"""Settings of f-AnoGAN, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.config import MOST_EPOCHS, MOST_RATE
from medad.methods._archive_settings import ArchiveSettings
from medad.registry import methods


@methods.settings_of("fanogan")
class FAnoGANSettings(ArchiveSettings):
    """The settings of f-AnoGAN; the defaults are those of its authors' code (Schlegl et al., 2019) but for epochs."""

    size: int = Field(64, ge=16, le=512, multiple_of=16, description="side of the network's grid; published: 64")
    latent: int = Field(128, ge=1, le=4096, description="numbers in a code; published: 128, standard normal")
    width: int = Field(64, ge=1, le=512, description="channels of the residual networks; published: 64")
    epochs: int = Field(
        250, ge=1, le=MOST_EPOCHS, description="of the GAN; its authors' 7 are of about a million patches"
    )
    critic_steps: int = Field(
        5, ge=1, le=100, description="batches of the critic for one of the generator; published: 5"
    )
    penalty: float = Field(10.0, ge=0, le=1e6, description="weight of the critic's gradient penalty; published: 10")
    learning_rate: float = Field(
        1e-4, gt=0, le=MOST_RATE, description="of the GAN (Adam, betas 0 and 0.9); published: 1e-4"
    )
    encoder_epochs: int = Field(
        250, ge=1, le=MOST_EPOCHS, description="of the encoder; its authors take 50,000 batches"
    )
    encoder_learning_rate: float = Field(
        5e-5, gt=0, le=MOST_RATE, description="of the encoder (RMSprop); published: 5e-5"
    )
    feature_weight: float = Field(
        1.0, ge=0, le=1e6, description="of the critic's features in the encoder's loss and the score; published: 1"
    )
    amp: bool = Field(False, description="compute in bfloat16 where that is safe, on a GPU that has it; not published")
