"""FPI: foreign patch interpolation (Tan, Hou, Batten, Qiu and Kainz, MELBA 2022; as in MedIAnomaly, 2025)."""

from __future__ import annotations

from medad.functional.patches import interpolated
from medad.methods._foreign_patches import InterpolationMethod
from medad.methods._fpi_settings import FPISettings
from medad.registry import methods


@methods.register("fpi")
class FPI(InterpolationMethod):
    """Patches are mixed with the same place of another image by a random factor, which the network predicts."""

    settings_model = FPISettings
    title = "FPI"
    settings: FPISettings
    mixed = staticmethod(interpolated)
