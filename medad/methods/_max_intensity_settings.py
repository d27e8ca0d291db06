"""Settings of the maximum intensity baseline, which can be listed and checked without importing torch."""

from __future__ import annotations

from medad.config import Settings
from medad.registry import methods


@methods.settings_of("max_intensity")
class MaxIntensitySettings(Settings):
    """The settings of every method; this baseline has none of its own."""
