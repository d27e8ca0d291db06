"""What the baseline of the brightest pixel is told, where it can be listed and checked without importing torch."""

from __future__ import annotations

from medad.config import Settings
from medad.registry import methods


@methods.settings_of("max_intensity")
class MaxIntensitySettings(Settings):
    """Those of every method."""
