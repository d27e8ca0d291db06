"""Settings of FPI, which can be listed and checked without importing torch."""

from __future__ import annotations

from medad.methods._foreign_patch_settings import ForeignPatchSettings
from medad.registry import methods


@methods.settings_of("fpi")
class FPISettings(ForeignPatchSettings):
    """The settings of FPI; the defaults are MedIAnomaly's."""
