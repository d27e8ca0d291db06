"""Settings of the SSIM autoencoder, which can be listed and checked without importing torch."""

from __future__ import annotations

from medad.methods._reconstruction_settings import AutoencoderSettings
from medad.registry import methods


@methods.settings_of("ae_ssim")
class AESSIMSettings(AutoencoderSettings):
    """The settings of the SSIM autoencoder; the defaults are MedIAnomaly's."""
