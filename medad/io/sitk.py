"""Read NRRD and MetaImage with SimpleITK."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation

from medad.io.core.errors import UnreadableImage
from medad.io.core.formats import HEAD, head_of
from medad.io.core.limits import check_bytes, check_claim, check_present
from medad.io.core.picture import LPS_TO_RAS, Picture, all_finite, begin, to_gray, turned_to_ras
from medad.io.core.settings import ReadSettings
from medad.io.file_parts import part_of

_HEADER_BYTES = 64 * HEAD
_NRRD_PLACE = ("space", "spacedimension")
_META_PLACE = ("offset", "position", "origin", "transformmatrix", "orientation", "rotation")
_DATA_KEYS = ("datafile", "elementdatafile")


def read_sitk(path: Path, settings: ReadSettings) -> Picture:
    """Read a volume ``(C, X, Y, Z)`` turned to RAS, or a 2-D image ``(C, W, H)`` as stored.

    The components of a pixel become channels.

    Raises:
        UnreadableImage: The image has another dimension, its pixels are outside its folder, or it is truncated, too
            large or non-finite.
    """
    file, _ = part_of(path)
    nrrd = head_of(file).startswith(b"NRRD")
    fields, header = _fields(file)
    sources = _data_files(file, fields)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.SetImageIO("NrrdImageIO" if nrrd else "MetaImageIO")
    reader.ReadImageInformation()
    on_disk = sum(source.stat().st_size for source in sources) - (header if sources == [file] else 0)
    _check(file, reader, fields, on_disk, settings)
    try:
        image = reader.Execute()
    except RuntimeError:
        raise UnreadableImage(file, "corrupt", "its pixels cannot be decoded") from None
    raw = sitk.GetArrayFromImage(image)
    has_geometry = any(key in fields for key in (_NRRD_PLACE if nrrd else _META_PLACE))
    reading = begin("itk", placed=has_geometry, bits=[8 * raw.dtype.itemsize] * 2, signed=raw.dtype.kind != "u")
    if not has_geometry:
        reading["assumed"].append("no anatomical space is stated: its axes are taken as LPS")
    spatial = image.GetDimension()
    array = np.moveaxis(raw, -1, 0) if image.GetNumberOfComponentsPerPixel() > 1 else raw[np.newaxis]
    array = array.astype(np.float32).transpose(0, *range(spatial, 0, -1))
    reading["color"] = "RGB" if len(array) == 3 else None
    array = all_finite(to_gray(array, settings, reading), file, settings, reading)
    affine = LPS_TO_RAS @ _lps_affine(image, spatial)
    if spatial == 2:
        reading["orientation"] = {"source": "as stored", "given": "as stored"}
        return Picture(array, affine, affine, reading)
    turned, turned_affine = turned_to_ras(array, affine, reading)
    return Picture(turned, turned_affine, affine, reading)


def _lps_affine(image: Any, spatial: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the affine ``(4, 4)`` from index to LPS mm."""
    lps = np.eye(4)
    directions = np.asarray(image.GetDirection()).reshape(spatial, spatial)
    lps[:spatial, :spatial] = directions * np.asarray(image.GetSpacing())
    lps[:spatial, 3] = image.GetOrigin()
    return lps


def _fields(file: Path) -> tuple[dict[str, str], int]:
    """Return the header's fields and its length in bytes. The names are in lower case, without spaces."""
    with file.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    fields: dict[str, str] = {}
    length = 0
    for line in start.split(b"\n"):
        length += len(line) + 1
        if not line.strip():
            break
        name, sign, value = line.decode("latin-1").replace(":=", ":").replace("=", ":", 1).partition(":")
        key = name.strip().replace(" ", "").lower()
        if sign and key not in fields:
            fields[key] = value.strip()
        if key == "elementdatafile":
            break
    return fields, length


def _data_files(file: Path, fields: dict[str, str]) -> list[Path]:
    """Return the files that hold the pixels. A detached file must be a plain name in the same folder.

    Raises:
        UnreadableImage: The pixels are in a list of files, outside the folder, or missing.
    """
    name = next((fields[key] for key in _DATA_KEYS if key in fields), "LOCAL")
    if name in ("LOCAL", "Local", "local"):
        return [file]
    if name.split()[0].upper() == "LIST" or "%" in name or Path(name).name != name or name in ("..", "."):
        reason = "its pixels are in a list of files, or outside its folder"
        raise UnreadableImage(file, "unsupported-layout", reason, "store header and pixels in one file")
    if not (file.parent / name).is_file() or (file.parent / name).is_symlink():
        reason = "the file that holds its pixels is not beside it"
        raise UnreadableImage(file, "missing", reason, "put both files into one folder")
    return [file.parent / name]


def _check(file: Path, reader: Any, fields: dict[str, str], on_disk: int, settings: ReadSettings) -> None:
    """Check dimension, voxel type and claimed size before the pixels are decoded."""
    size = [int(length) for length in reader.GetSize()]
    if reader.GetDimension() > 3:
        reason, remedy = f"it is {reader.GetDimension()}-D", "store each volume in its own file"
        raise UnreadableImage(file, "4d", reason, remedy)
    channels = reader.GetNumberOfComponents()
    check_claim(file, (channels, *size), settings, on_disk=on_disk)
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise UnreadableImage(file, "unsupported-type", "its voxels are complex numbers", "store their magnitude")
    stored = math.prod(size) * channels * _bytes_of(reader.GetPixelID())
    packed = fields.get("encoding", "raw").lower() != "raw" or fields.get("compresseddata", "false").lower() == "true"
    if packed:
        check_bytes(file, stored, settings, on_disk)
    else:
        check_present(file, stored, on_disk)


def _bytes_of(pixel: int) -> int:
    """Return the size of a component in bytes."""
    name = sitk.GetPixelIDValueAsString(pixel)
    return next((bits // 8 for bits in (64, 32, 16, 8) if str(bits) in name), 1)
