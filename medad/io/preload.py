"""Importing all readers and decoders at once, before workers are forked.

What a worker imports by itself is its own memory and its own time, once more in every worker that takes the place of an
old one; what it was forked with is shared.
"""

from __future__ import annotations

import contextlib
import importlib

_READERS = ("dicom.read_dicom", "dicom.series", "nifti", "raster", "sitk")
_DECODERS = ("gdcm", "jpeg_ls", "openjpeg", "openjpeg.utils", "libjpeg", "pylibjpeg", "rle")
_PYDICOM = ("gdcm", "pyjpegls", "pylibjpeg", "rle")


def preload() -> None:
    """Import what reads files, and the decoders that are installed."""
    from PIL import Image

    Image.init()
    for name in _READERS:
        importlib.import_module(f"medad.io.{name}")
    for name in (*_DECODERS, *(f"pydicom.pixels.decoders.{one}" for one in _PYDICOM)):
        with contextlib.suppress(ImportError):  # an optional package
            importlib.import_module(name)
