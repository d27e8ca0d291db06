"""Settings of the variational autoencoder, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.methods._reconstruction_settings import AutoencoderSettings
from medad.registry import methods


@methods.settings_of("vae")
class VAESettings(AutoencoderSettings):
    """The settings of the variational autoencoder; the defaults are MedIAnomaly's."""

    divergence_weight: float = Field(
        0.005, ge=0, le=1e6, description="weight of the divergence in the loss; MedIAnomaly: 0.005"
    )
