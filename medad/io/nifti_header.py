"""Open NIfTI and MGH files with nibabel, after checking the header fields by which it reads and allocates."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.fileholders import FileHolder

from medad.io.affines import REPAIR
from medad.io.core.errors import UnreadableImage
from medad.io.core.formats import is_mgh

# nibabel logs its repairs of a header without naming the file. Our notes of the reading list them per file.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_MAX_OFFSET = 64 * 1024**2
_XFORMS = range(6)
_MGH_FOOTER = 90  # bytes of the header before the voxels; the footer after the voxels holds no geometry


@contextmanager
def opened_nifti(file: Path) -> Iterator[Any]:
    """Yield the nibabel image of a file, recognized by content. The file stays open while the block runs."""
    with file.open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
    stream: IO[bytes] | gzip.GzipFile
    with gzip.open(file) if packed else file.open("rb") as stream:
        start = stream.read(540)
        stream.seek(0)
        if is_mgh(start):
            yield _mgh_image(file, stream, start)
            return
        kind, pair, notes = _header_class(file, start)
        header = image = FileHolder(filename=str(file), fileobj=stream)
        if pair:
            image = FileHolder(filename=str(_pixel_file(file, packed)))
        try:
            volume = kind.from_file_map({"header": header, "image": image})
        except (nib.spatialimages.HeaderDataError, KeyError):
            raise UnreadableImage(file, "corrupt", "its header makes no sense", REPAIR) from None
        volume.extra["notes"] = notes
        yield volume


def _mgh_image(file: Path, stream: Any, start: bytes) -> Any:
    """Return the nibabel image of an MGH file.

    ``MGHImage.from_file_map`` would read the footer first, and would inflate all voxels to reach it.
    """
    header = nib.freesurfer.mghformat.MGHHeader(start[:_MGH_FOOTER])
    oriented = int.from_bytes(start[28:30], "big", signed=True) > 0
    holder = FileHolder(filename=str(file), fileobj=stream)
    voxels = nib.MGHImage.ImageArrayProxy(stream, header)
    return nib.MGHImage(voxels, None, header, extra={"oriented": oriented}, file_map={"image": holder})


def _header_class(file: Path, start: bytes) -> tuple[Any, bool, list[str]]:
    """Check the header fields by which nibabel reads and allocates, and choose the nibabel class.

    Returns:
        The class; whether header and pixels are a pair of files; the repairs that nibabel will make to the header.
    """
    for header, single, two in (
        (nib.Nifti1Header, nib.Nifti1Image, nib.Nifti1Pair),
        (nib.Nifti2Header, nib.Nifti2Image, nib.Nifti2Pair),
    ):
        size = header.template_dtype.itemsize
        for order in "<>":
            if len(start) < size or int(np.frombuffer(start[:4], order + "i4")[0]) != size:
                continue
            fields = np.frombuffer(start[:size], header.template_dtype.newbyteorder(order))[0]
            offset, dims = float(fields["vox_offset"]), [int(size_of_axis) for size_of_axis in fields["dim"]]
            if not 0 <= offset <= _MAX_OFFSET:
                raise UnreadableImage(file, "corrupt", "its pixels start at a place that makes no sense", REPAIR)
            if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
                raise UnreadableImage(file, "corrupt", "its dimensions make no sense", REPAIR)
            pair = bytes(fields["magic"])[:2] == b"ni"
            return (two if pair else single), pair, _header_repairs(fields)
    raise UnreadableImage(file, "truncated", "it ends within its NIfTI header")


def _header_repairs(fields: Any) -> list[str]:
    """Return the repairs that nibabel makes to a header and reports only in its log."""
    notes = []
    if (fields["pixdim"][1:4] < 0).any():
        notes.append("negative voxel sizes are stated: taken as positive")
    for name in ("sform", "qform"):
        if int(fields[f"{name}_code"]) not in _XFORMS:
            notes.append(f"the {name} code is none of the standard's: the {name} is not used")
    return notes


def _pixel_file(file: Path, packed: bool) -> Path:
    """Return the .img file of a pair.

    Raises:
        UnreadableImage: The file is not beside its header, or the header is compressed.
    """
    image = file.with_suffix(".img")
    if packed or not image.is_file() or image.is_symlink():
        reason = "it is the header of a pair of files, and its plain .img file is not beside it"
        raise UnreadableImage(file, "missing", reason, "put both beside each other, uncompressed")
    return image
