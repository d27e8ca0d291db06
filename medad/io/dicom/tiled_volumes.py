"""Volumes whose slices lie side by side as tiles in one picture: Siemens calls it MOSAIC, United Imaging VFRAME."""

from __future__ import annotations

import re
import struct

from pydicom.tag import BaseTag, Tag

from medad.io.dicom.header import Header
from medad.io.dicom.private_elements import Private

_WORDS = frozenset(("MOSAIC", "VFRAME"))
# How many slices the picture holds.
_COUNTS = (Private(0x0019, "SIEMENS MR HEADER", 0x0A, "US"), Private(0x0065, "IMAGE PRIVATE HEADER", 0x50, "DS"))
_SIEMENS_TYPE = Private(0x0051, "SIEMENS MR HEADER", 0x16, "LO")  # such as "p2 M/ND/MOSAIC"
_CSA = Private(0x0029, "SIEMENS CSA HEADER", 0x10, "OB")
_CSA_COUNT = b"NumberOfImagesInMosaic\0"


def tags_of_tiles() -> list[BaseTag]:
    """The elements that tell."""
    return [Tag("ImageType"), *(tag for one in (*_COUNTS, _SIEMENS_TYPE, _CSA) for tag in one.tags())]


def is_tiled(header: Header) -> bool:
    """Whether a picture is a volume in tiles, by its type or by the vendor's count of the slices in it.

    Anonymizers rewrite ImageType or remove private groups: each of the signs is enough.
    """
    words = {word.upper() for value in header.texts("ImageType") for word in re.split(r"[\s/_]+", value)}
    if words & _WORDS or "MOSAIC" in _SIEMENS_TYPE.of(header.tags).upper().split("/"):
        return True
    counts = [one.of(header.tags).split("\\")[0] for one in _COUNTS]
    return any(re.fullmatch(r"\d+", count) and int(count) > 1 for count in counts) or _csa_count(header) > 1


def _csa_count(header: Header) -> int:
    """NumberOfImagesInMosaic of Siemens' CSA image header, 0 where there is none.

    An entry is its name (64 bytes), multiplicity, representation (4 characters), type, number of items, a mark; each
    item has four integers, of which the first or second is its length, and its text. Source: nibabel's description.
    """
    data = _CSA.bytes_of(header.tags)
    start = data.find(_CSA_COUNT)
    if start < 0 or len(data) < start + 100:
        return 0
    (items,) = struct.unpack_from("<i", data, start + 76)
    text = data[start + 100 : start + 112].split(b"\0")[0].strip() if items > 0 else b""
    return int(text) if text.isdigit() else 0
