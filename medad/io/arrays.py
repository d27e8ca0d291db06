"""Make pictures of arrays in memory, as the readers make them of raster files with the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Array, Picture, begin, to_gray
from medad.io.core.settings import ReadSettings
from medad.types import MedadError
from medad.wording import counted

_CHANNELS = (1, 3)


class ArrayError(MedadError):
    """An array that is no image: its shape or its type does not fit."""


def images_in(array: Any, name: str) -> list[Array]:
    """Return the images (C, H, W) of an array (N, C, H, W), (C, H, W) or (H, W); ``name`` names it in errors.

    Raises:
        ArrayError: the array has another shape, no image, or values that are no real numbers.
    """
    values = np.asarray(array)
    if values.dtype.kind not in "buif":
        raise ArrayError(f"{name}: its values are of type {values.dtype}: give real numbers")
    whole = values[np.newaxis] if values.ndim == 2 else values
    images = whole[np.newaxis] if whole.ndim == 3 else whole
    if images.ndim != 4 or images.shape[1] not in _CHANNELS:
        raise ArrayError(
            f"{name}: shape {values.shape} is no image: give (N, C, H, W), or (C, H, W) or (H, W) for one image, with "
            "C = 1 for gray or 3 for color"
        )
    if not images.size:
        raise ArrayError(f"{name}: shape {values.shape} holds no pixel")
    return list(images)


def picture_of(image: Array, settings: ReadSettings, name: str) -> Picture:
    """Return the picture of an array (C, H, W): rows and columns as displayed, values as they are.

    Values of 8 bits have the nominal range 0 to 255, as in an 8-bit PNG; all others have none.

    Raises:
        UnreadableImage: a pixel is NaN or infinite.
    """
    array = image.astype(np.float32)
    if not np.isfinite(array).all():
        reason = f"it has {counted(int((~np.isfinite(array)).sum()), 'NaN or infinite pixel')}"
        raise UnreadableImage(name, "non-finite", reason, "give these pixels a value, for example by numpy.nan_to_num")
    eight_bits = image.dtype == np.uint8
    reading = begin("array", orientation={"source": "as stored", "given": "as stored"})
    reading["bits"], reading["signed"] = [8 * image.dtype.itemsize] * 2, image.dtype.kind != "u"
    reading["value_range"] = [0.0, 255.0] if eight_bits else None
    reading["color"] = "RGB" if len(array) == _CHANNELS[1] else None
    array = to_gray(array, settings, reading)
    if settings.voi == "published" and not eight_bits:
        from medad.io.dicom.values import published

        array, reading["value_range"] = published(array, False, False, reading["assumed"]), [0.0, 255.0]
        reading["voi"] = "published"
    return Picture(np.ascontiguousarray(np.swapaxes(array, 1, 2)), np.eye(4), np.eye(4), reading)
