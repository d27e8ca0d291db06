"""Read image files, and group the files of a folder into studies.

Importing this package loads neither torch, MONAI, pydicom nor nibabel: its names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from medad.io.core.errors import UnreadableImage

if TYPE_CHECKING:
    from medad.io.core.settings import ReadSettings
    from medad.io.discovery import discover
    from medad.io.read import read_picture
    from medad.io.readers import (
        DicomReader,
        NiftiReader,
        RasterReader,
        SitkReader,
        StudyReader,
        load_image_transform,
        load_imaged_transform,
        read_image,
    )

_HOMES = {
    "ReadSettings": "core.settings",
    "discover": "discovery",
    "read_picture": "read",
    "read_image": "readers",
    "DicomReader": "readers",
    "NiftiReader": "readers",
    "RasterReader": "readers",
    "SitkReader": "readers",
    "StudyReader": "readers",
    "load_image_transform": "readers",
    "load_imaged_transform": "readers",
}

__all__ = [
    "DicomReader",
    "NiftiReader",
    "RasterReader",
    "ReadSettings",
    "SitkReader",
    "StudyReader",
    "UnreadableImage",
    "discover",
    "load_image_transform",
    "load_imaged_transform",
    "read_image",
    "read_picture",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
