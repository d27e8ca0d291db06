"""Read NIfTI-1, NIfTI-2 and FreeSurfer's MGH with nibabel, after the checks that nibabel does not make."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from medad.io.affines import REPAIR, mgh_affine, nifti_affine
from medad.io.core.errors import SPLIT, UnreadableImage
from medad.io.core.limits import check_bytes, check_claim, check_present
from medad.io.core.picture import Array, Picture, all_finite, begin, to_gray, turned_to_ras
from medad.io.core.settings import ReadSettings
from medad.io.file_parts import MOST_PARTS, part_of
from medad.io.nifti_header import opened_nifti
from medad.wording import counted

_MAX_EXCESS = 1024**2


def read_nifti(path: Path, settings: ReadSettings) -> Picture:
    """Read a volume ``(C, X, Y, Z)`` turned to RAS, in mm. A single slice has Z = 1.

    A part of a 4-D file is read if its name selects it, or if the settings split such files.

    Raises:
        UnreadableImage: The file is 4-D and not split, truncated, too large, non-finite, or its header makes no sense.
    """
    file, part = part_of(path)
    with opened_nifti(file) as image:
        _check_size(file, image, settings)
        dtype = image.get_data_dtype()
        mgh = isinstance(image, nib.MGHImage)
        reading = begin("mgh" if mgh else "nifti", bits=[8 * dtype.itemsize] * 2, signed=dtype.kind != "u")
        reading["assumed"] += image.extra.get("notes", [])
        affine = mgh_affine(file, image, reading) if mgh else nifti_affine(file, image.header, reading)
        try:
            array = _volume(file, image, part, settings.time == "split" or path != file, reading)
            _check_end(image, reading["assumed"])
        except gzip.BadGzipFile:
            raise UnreadableImage(file, "corrupt", "its compressed data do not match their checksum") from None
        except OSError:
            raise UnreadableImage(file, "truncated", "it ends before its voxels do") from None
    array = all_finite(to_gray(array, settings, reading), file, settings, reading)
    turned, turned_affine = turned_to_ras(array, affine, reading)
    return Picture(turned, turned_affine, affine, reading)


def parts_of(path: Path) -> int:
    """Return how many volumes the file holds, from its header alone.

    Raises:
        UnreadableImage: The header makes no sense, or claims more than the file can hold.
    """
    with opened_nifti(path) as image:
        parts = int(math.prod(image.shape[3:]))
        if parts > 1:
            _check_size(path, image, ReadSettings())
        if parts > MOST_PARTS:
            raise UnreadableImage(path, "too-large", f"it claims {parts} volumes", REPAIR)
        return parts


def _check_size(file: Path, image: Any, settings: ReadSettings) -> None:
    """Check the claimed size against the limits and the size of the file."""
    shape, dtype = tuple(int(size) for size in image.shape), image.get_data_dtype()
    if dtype.kind == "c":
        raise UnreadableImage(file, "unsupported-type", "its voxels are complex numbers", "store their magnitude")
    source = Path(image.file_map["image"].filename)
    size = source.stat().st_size
    check_claim(file, (len(dtype.names or "1"), *shape[:3]), settings, on_disk=size)
    stored = math.prod(shape) * dtype.itemsize
    if isinstance(image.file_map["image"].fileobj, gzip.GzipFile):
        check_bytes(file, math.prod(shape[:3]) * dtype.itemsize, settings, size)
    else:
        check_present(file, stored, size - int(image.dataobj.offset))


def _volume(file: Path, image: Any, part: int, split: bool, reading: dict[str, Any]) -> Array:
    """Return the chosen part as float32 ``(C, I, J, K)``.

    Raises:
        UnreadableImage: There are several parts and they may not be ``split``, or there is no such part.
    """
    shape = image.shape
    parts = math.prod(shape[3:])
    if parts > 1 and not split:
        reason = f"it holds {parts} volumes ({len(shape)}-D)"
        raise UnreadableImage(file, "4d", reason, SPLIT, 'ReadSettings(time="split")')
    if part >= parts:
        raise UnreadableImage(
            file, "missing", f"it has {counted(parts, 'volume')}, not {part + 1}", "check the number after #"
        )
    if parts > 1:
        reading["assumed"].append(f"volume {part + 1} of {parts}")
    where = tuple(int(index) for index in np.unravel_index(part, shape[3:], order="F")) if len(shape) > 3 else ()
    data: Array = np.asanyarray(image.dataobj[(*[slice(None)] * min(len(shape), 3), *where)])
    data = data.reshape((*shape[:3], *[1] * (3 - len(shape))))
    if data.dtype.names:
        reading["color"] = "RGB"
        return np.stack([data[name].astype(np.float32) for name in data.dtype.names[:3]])
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    reading["rescale"] = [float(slope), float(intercept)] if (slope, intercept) != (1, 0) else None
    return np.asarray(data, np.float32)[np.newaxis]


def _check_end(image: Any, notes: list[str]) -> None:
    """Read a compressed file of one volume to its end, since Python compares the checksum there."""
    stream = image.file_map["image"].fileobj
    if not isinstance(stream, gzip.GzipFile) or math.prod(image.shape[3:]) > 1:
        return
    stream.seek(int(image.dataobj.offset) + math.prod(image.shape) * image.get_data_dtype().itemsize)
    if len(stream.read(_MAX_EXCESS)) == _MAX_EXCESS:
        notes.append("there is more after the last voxel; it is ignored, and the checksum was not reached")
