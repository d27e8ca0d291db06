"""Import all readers and decoders at once, before workers are forked.

Modules that a worker imports itself take memory and time in every worker, and again in every replacement. Modules that
are imported before the fork are shared.
"""

from __future__ import annotations

import contextlib
import importlib

_READERS = ("dicom.read_dicom", "dicom.series", "nifti", "raster", "sitk")
_DECODERS = ("gdcm", "jpeg_ls", "openjpeg", "openjpeg.utils", "libjpeg", "pylibjpeg", "rle")
_PYDICOM = ("gdcm", "pyjpegls", "pylibjpeg", "rle")


def preload() -> None:
    """Import the readers, and the decoders that are installed."""
    from PIL import Image

    Image.init()
    for name in _READERS:
        importlib.import_module(f"medad.io.{name}")
    for name in (*_DECODERS, *(f"pydicom.pixels.decoders.{plugin}" for plugin in _PYDICOM)):
        with contextlib.suppress(ImportError):  # an optional package
            importlib.import_module(name)
