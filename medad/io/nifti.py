"""NIfTI-1 and NIfTI-2 to a picture, by nibabel, with the checks it does not make."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.fileholders import FileHolder

from medad.io.address import part_of
from medad.io.errors import SPLIT, UnreadableImage
from medad.io.limits import check_bytes, check_claim, check_present
from medad.io.picture import Array, Picture, all_finite, begin, to_gray, turned_to_ras
from medad.io.settings import ReadSettings
from medad.wording import counted

_MAX_OFFSET = 64 * 1024**2
_MAX_EXCESS = 1024**2
_REPAIR = "have the sender repair its header"


def read_nifti(path: Path, settings: ReadSettings) -> Picture:
    """A volume (C, X, Y, Z) turned to RAS; a single slice has Z = 1; one part of a 4-D file if it may be split.

    Raises:
        UnreadableImage: 4-D (unless split), truncated, too large, non-finite or without meaning.
    """
    file, part = part_of(path)
    with _opened(file) as image:
        _check_size(file, image, settings)
        dtype = image.get_data_dtype()
        reading = begin("nifti", bits=[8 * dtype.itemsize] * 2, signed=dtype.kind != "u")
        _flag_codes(image.header, reading)
        affine = np.asarray(image.affine, np.float64)
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise UnreadableImage(file, "corrupt", "its affine has no inverse", _REPAIR)
        try:
            array = _volume(file, image, part, settings, reading)
            _check_end(image, reading["assumed"])
        except gzip.BadGzipFile:
            raise UnreadableImage(file, "corrupt", "its compressed data do not match their checksum") from None
        except OSError:
            raise UnreadableImage(file, "truncated", "it ends before its voxels do") from None
    array = all_finite(to_gray(array, settings, reading), file, settings, reading)
    turned, turned_affine = turned_to_ras(array, affine, reading)
    return Picture(turned, turned_affine, affine, reading)


def parts_of(path: Path) -> int:
    """How many volumes the file holds, from its header alone.

    Raises:
        UnreadableImage: the header makes no sense.
    """
    with _opened(path) as image:
        return math.prod(image.shape[3:])


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """The nibabel image of a file, recognized by content; open as long as the block runs."""
    with file.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    stream: IO[bytes] | gzip.GzipFile
    with gzip.open(file) if packed else file.open("rb") as stream:
        start = stream.read(540)
        kind, pair = _kind(file, start)
        stream.seek(0)
        header = image = FileHolder(filename=str(file), fileobj=stream)
        if pair:
            image = FileHolder(filename=str(_sibling(file, packed)))
        yield kind.from_file_map({"header": header, "image": image})


def _kind(file: Path, start: bytes) -> tuple[Any, bool]:
    """The nibabel class for a header, after checking what nibabel would read and allocate by; and whether it is one
    half of a pair of files."""
    for header, single, two in (
        (nib.Nifti1Header, nib.Nifti1Image, nib.Nifti1Pair),
        (nib.Nifti2Header, nib.Nifti2Image, nib.Nifti2Pair),
    ):
        size = header.template_dtype.itemsize
        for order in "<>":
            if len(start) < size or int(np.frombuffer(start[:4], order + "i4")[0]) != size:
                continue
            fields = np.frombuffer(start[:size], header.template_dtype.newbyteorder(order))[0]
            offset, dims = float(fields["vox_offset"]), [int(one) for one in fields["dim"]]
            if not 0 <= offset <= _MAX_OFFSET:
                raise UnreadableImage(file, "corrupt", "its pixels start at a place that makes no sense", _REPAIR)
            if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
                raise UnreadableImage(file, "corrupt", "its dimensions make no sense", _REPAIR)
            pair = bytes(fields["magic"])[:2] == b"ni"
            return (two if pair else single), pair
    raise UnreadableImage(file, "truncated", "it ends within its NIfTI header")


def _sibling(file: Path, packed: bool) -> Path:
    image = file.with_suffix(".img")
    if packed or not image.is_file():
        reason = "it is the header of a pair of files, and its plain .img file is not beside it"
        raise UnreadableImage(file, "missing", reason, "put both beside each other, uncompressed")
    return image


def _check_size(file: Path, image: Any, settings: ReadSettings) -> None:
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


def _volume(file: Path, image: Any, part: int, settings: ReadSettings, reading: dict[str, Any]) -> Array:
    """The chosen part as float32 (C, I, J, K)."""
    shape = image.shape
    parts = math.prod(shape[3:])
    if parts > 1 and settings.time == "refuse":
        reason = f"it holds {parts} volumes ({len(shape)}-D)"
        raise UnreadableImage(file, "4d", reason, SPLIT, 'ReadSettings(time="split")')
    if part >= parts:
        raise UnreadableImage(
            file, "missing", f"it has {counted(parts, 'volume')}, not {part + 1}", "check the number after #"
        )
    if parts > 1:
        reading["assumed"].append(f"volume {part + 1} of {parts}")
    where = tuple(int(one) for one in np.unravel_index(part, shape[3:], order="F")) if len(shape) > 3 else ()
    data: Array = np.asanyarray(image.dataobj[(*[slice(None)] * min(len(shape), 3), *where)])
    data = data.reshape((*shape[:3], *[1] * (3 - len(shape))))
    if data.dtype.names:
        reading["color"] = "RGB"
        return np.stack([data[name].astype(np.float32) for name in data.dtype.names[:3]])
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    reading["rescale"] = [float(slope), float(intercept)] if (slope, intercept) != (1, 0) else None
    return np.asarray(data, np.float32)[np.newaxis]


def _check_end(image: Any, notes: list[str]) -> None:
    """Read a compressed file of one volume to its end, where the checksum is; Python checks it there."""
    stream = image.file_map["image"].fileobj
    if not isinstance(stream, gzip.GzipFile) or math.prod(image.shape[3:]) > 1:
        return
    stream.seek(int(image.dataobj.offset) + math.prod(image.shape) * image.get_data_dtype().itemsize)
    if len(stream.read(_MAX_EXCESS)) == _MAX_EXCESS:
        notes.append("there is more after the last voxel; it is ignored, and the checksum was not reached")


def _flag_codes(header: Any, reading: dict[str, Any]) -> None:
    known = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    reading["orientation_known"] = known
    if not known:
        reading["assumed"].append("sform and qform code are 0: read as LAS, left and right may be swapped")
