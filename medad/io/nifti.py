"""NIfTI-1, NIfTI-2 and FreeSurfer's MGH to a picture, by nibabel, with the checks it does not make."""

from __future__ import annotations

import gzip
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.fileholders import FileHolder

from medad.io.affines import REPAIR, mgh_affine, nifti_affine
from medad.io.errors import SPLIT, UnreadableImage
from medad.io.file_parts import MOST_PARTS, part_of
from medad.io.formats import is_mgh
from medad.io.limits import check_bytes, check_claim, check_present
from medad.io.picture import Array, Picture, all_finite, begin, to_gray, turned_to_ras
from medad.io.settings import ReadSettings
from medad.wording import counted

# nibabel logs what it mends in a header; the record of the reading says it, with the file that it is about.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_MAX_OFFSET = 64 * 1024**2
_MAX_EXCESS = 1024**2
_XFORMS = range(6)
_MGH_FOOTER = 90  # bytes of the header; the footer, which holds no geometry, comes after the voxels


def read_nifti(path: Path, settings: ReadSettings) -> Picture:
    """A volume (C, X, Y, Z) turned to RAS, in mm; a single slice has Z = 1; one part of a 4-D file if it may be split.

    Raises:
        UnreadableImage: 4-D (unless split), truncated, too large, non-finite or without meaning.
    """
    file, part = part_of(path)
    with _opened(file) as image:
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
    """How many volumes the file holds, from its header alone.

    Raises:
        UnreadableImage: the header makes no sense, or claims more than the file can hold.
    """
    with _opened(path) as image:
        parts = int(math.prod(image.shape[3:]))
        if parts > 1:
            _check_size(path, image, ReadSettings())
        if parts > MOST_PARTS:
            raise UnreadableImage(path, "too-large", f"it claims {parts} volumes", REPAIR)
        return parts


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """The nibabel image of a file, recognized by content; open as long as the block runs."""
    with file.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    stream: IO[bytes] | gzip.GzipFile
    with gzip.open(file) if packed else file.open("rb") as stream:
        start = stream.read(540)
        stream.seek(0)
        if is_mgh(start):
            yield _mgh(file, stream, start)
            return
        kind, pair, notes = _kind(file, start)
        header = image = FileHolder(filename=str(file), fileobj=stream)
        if pair:
            image = FileHolder(filename=str(_sibling(file, packed)))
        try:
            made = kind.from_file_map({"header": header, "image": image})
        except (nib.spatialimages.HeaderDataError, KeyError):
            raise UnreadableImage(file, "corrupt", "its header makes no sense", REPAIR) from None
        made.extra["notes"] = notes
        yield made


def _mgh(file: Path, stream: Any, start: bytes) -> Any:
    """The nibabel image of an MGH file. nibabel would read the footer first, and inflate all voxels to get there."""
    header = nib.freesurfer.mghformat.MGHHeader(start[:_MGH_FOOTER])
    oriented = int.from_bytes(start[28:30], "big", signed=True) > 0
    holder = FileHolder(filename=str(file), fileobj=stream)
    voxels = nib.MGHImage.ImageArrayProxy(stream, header)
    return nib.MGHImage(voxels, None, header, extra={"oriented": oriented}, file_map={"image": holder})


def _kind(file: Path, start: bytes) -> tuple[Any, bool, list[str]]:
    """The nibabel class for a header, after checking what nibabel would read and allocate by; whether it is one half
    of a pair of files; what nibabel will mend in it."""
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
                raise UnreadableImage(file, "corrupt", "its pixels start at a place that makes no sense", REPAIR)
            if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
                raise UnreadableImage(file, "corrupt", "its dimensions make no sense", REPAIR)
            pair = bytes(fields["magic"])[:2] == b"ni"
            return (two if pair else single), pair, _mended(fields)
    raise UnreadableImage(file, "truncated", "it ends within its NIfTI header")


def _mended(fields: Any) -> list[str]:
    """What nibabel sets right in a header, and says to its log only."""
    notes = []
    if (fields["pixdim"][1:4] < 0).any():
        notes.append("negative voxel sizes are stated: taken as positive")
    for name in ("sform", "qform"):
        if int(fields[f"{name}_code"]) not in _XFORMS:
            notes.append(f"the {name} code is none of the standard's: the {name} is not used")
    return notes


def _sibling(file: Path, packed: bool) -> Path:
    image = file.with_suffix(".img")
    if packed or not image.is_file() or image.is_symlink():
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


def _volume(file: Path, image: Any, part: int, split: bool, reading: dict[str, Any]) -> Array:
    """The chosen part as float32 (C, I, J, K); of several only where they may be ``split``."""
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
