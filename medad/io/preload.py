"""Import all readers and decoders at once, before workers are forked.

Modules that a worker imports itself take memory and time in every worker, and again in every replacement. Modules that
are imported before the fork are shared.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable
from pathlib import Path

_READERS = ("dicom.read_dicom", "dicom.series", "nifti", "raster", "sitk")
_DECODERS = ("gdcm", "jpeg_ls", "openjpeg", "openjpeg.utils", "libjpeg", "pylibjpeg", "rle")
_PYDICOM = ("gdcm", "pyjpegls", "pylibjpeg", "rle")


_BY_SUFFIX = {
    **dict.fromkeys((".nii", ".gz", ".mgh", ".mgz"), "nifti"),
    **dict.fromkeys((".nrrd", ".nhdr", ".mha", ".mhd"), "sitk"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"), "raster"),
}


def preload(paths: Iterable[Path] | None = None) -> None:
    """Import the readers, and the decoders that are installed; with ``paths``, only those that the files may need.

    The names of ``paths`` say which: a file without a known extension may be DICOM. A wrong guess costs time and
    memory in the workers, and nothing else, since they recognize files by content.
    """
    forms = {"dicom", "nifti", "sitk", "raster"}
    if paths is not None:
        forms = {_BY_SUFFIX.get(path.suffix.lower(), "dicom") for path in paths}
    if forms & {"raster", "dicom"}:
        from PIL import Image

        Image.init()
    for name in _READERS:
        if (name.partition(".")[0]) in forms:
            importlib.import_module(f"medad.io.{name}")
    for name in (*_DECODERS, *(f"pydicom.pixels.decoders.{plugin}" for plugin in _PYDICOM)) if "dicom" in forms else ():
        with contextlib.suppress(ImportError):  # an optional package
            importlib.import_module(name)
