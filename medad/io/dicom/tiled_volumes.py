"""Volumes whose slices are tiles of one picture: MOSAIC of Siemens, VFRAME of United Imaging."""

from __future__ import annotations

import re
import struct

from pydicom.tag import BaseTag, Tag

from medad.io.dicom.header import Header
from medad.io.dicom.private_elements import Private

_WORDS = frozenset(("MOSAIC", "VFRAME"))
# The number of slices in the picture.
_COUNTS = (Private(0x0019, "SIEMENS MR HEADER", 0x0A, "US"), Private(0x0065, "IMAGE PRIVATE HEADER", 0x50, "DS"))
_SIEMENS_TYPE = Private(0x0051, "SIEMENS MR HEADER", 0x16, "LO")  # such as "p2 M/ND/MOSAIC"
_CSA = Private(0x0029, "SIEMENS CSA HEADER", 0x10, "OB")
_CSA_COUNT = b"NumberOfImagesInMosaic\0"


def tags_of_tiles() -> list[BaseTag]:
    """Return the tags that :func:`is_tiled` needs."""
    return [Tag("ImageType"), *(tag for element in (*_COUNTS, _SIEMENS_TYPE, _CSA) for tag in element.tags())]


def is_tiled(header: Header) -> bool:
    """Return whether a picture is a volume in tiles, by its type or by the vendor's count of its slices.

    Each of the signs is sufficient, since anonymizers rewrite ImageType or remove private groups.
    """
    words = {word.upper() for value in header.texts("ImageType") for word in re.split(r"[\s/_]+", value)}
    if words & _WORDS or "MOSAIC" in _SIEMENS_TYPE.of(header.tags).upper().split("/"):
        return True
    counts = [element.of(header.tags).split("\\")[0] for element in _COUNTS]
    return any(re.fullmatch(r"\d+", count) and int(count) > 1 for count in counts) or _csa_count(header) > 1


def _csa_count(header: Header) -> int:
    """Return NumberOfImagesInMosaic of Siemens' CSA image header, 0 if there is none.

    An entry is its name (64 bytes), multiplicity, representation (4 characters), type, number of items, and a mark.
    Each item has four integers, of which the first or second is its length, and its text. Source: nibabel's
    description.
    """
    data = _CSA.bytes_of(header.tags)
    start = data.find(_CSA_COUNT)
    if start < 0 or len(data) < start + 100:
        return 0
    (items,) = struct.unpack_from("<i", data, start + 76)
    text = data[start + 100 : start + 112].split(b"\0")[0].strip() if items > 0 else b""
    return int(text) if text.isdigit() else 0
