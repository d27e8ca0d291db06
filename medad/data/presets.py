"""Define the presets: how the intensities of a file are mapped to [-1, 1]. Imports no MONAI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medad.config import Settings
from medad.functional.intensities import Measure, extremes, percentiles, window
from medad.io.core.settings import ReadSettings


@dataclass(frozen=True)
class Preset:
    """A mapping of intensities to [-1, 1].

    ``voi`` tells the DICOM reader how to apply windows; ``measure`` returns the range of an image that states none.
    """

    voi: Literal["off", "window", "published"]
    measure: Measure


PRESETS = {
    "published": Preset(
        "published", extremes
    ),  # the protocol of DDAD: 8-bit images by x / 255, all others by minimum and maximum
    "cxr": Preset("window", percentiles),
    "mr": Preset("off", percentiles),
    "ct": Preset("off", window(40, 400)),
    "fundus": Preset("off", extremes),
}


def read_settings(settings: Settings) -> ReadSettings:
    """Return the settings with which files are read for a model with these ``settings``."""
    voi = PRESETS[settings.preset].voi
    return ReadSettings(voi=voi, color="gray" if settings.channels == 1 else "keep")
