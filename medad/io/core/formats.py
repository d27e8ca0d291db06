"""Recognize the format of a file by its first bytes, never by its name."""

from __future__ import annotations

import codecs
import struct
import zlib
from pathlib import Path

HEAD = 1024
IMAGES = ("dicom", "nifti", "mgh", "raster", "itk")
_VRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "raster"),
    (b"\xff\xd8\xff", "raster"),
    (b"II*\x00", "raster"),
    (b"MM\x00*", "raster"),
    (b"II+\x00", "raster"),
    (b"MM\x00+", "raster"),
    (b"NRRD000", "itk"),
    (b"%PDF", "report"),
    (b"PK\x03\x04", "archive"),
    (b"PK\x05\x06", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\x00", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"\x93NUMPY", "array"),
    (b"\x89HDF", "array"),
    (b"SQLite format 3", "database"),
    (b"GIF8", "animation"),
)


def head_of(path: Path) -> bytes:
    """Return the first ``HEAD`` bytes of a file."""
    with path.open("rb") as file:
        return file.read(HEAD)


def sniff(head: bytes) -> str:
    """Return the format of a file that starts with ``head``.

    The result is an element of ``IMAGES``, or a word for another kind of file: "text", "archive", "report", "unknown"
    and so on. The first bytes of a gzip file are inflated: the result is "nifti", "mgh" or "archive". "analyze" is an
    Analyze 7.5 header, which has the size of a NIfTI header but not its magic string.
    """
    if head[128:132] == b"DICM" or _bare_dicom(head):
        return "dicom"
    if head[:2] == b"\x1f\x8b":
        inside = _inflated(head)
        return "nifti" if _nifti_format(inside) == "nifti" else "mgh" if is_mgh(inside) else "archive"
    if nifti_format := _nifti_format(head):
        return nifti_format
    if is_mgh(head):
        return "mgh"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM" and head[14:18] in (b"\x28\0\0\0", b"\x0c\0\0\0", b"\x6c\0\0\0", b"\x7c\0\0\0"):
        return "raster"
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    if head.lstrip().startswith((b"ObjectType", b"NDims", b"Comment")) and b"=" in head[:64]:
        return "itk"
    if head[257:262] == b"ustar":
        return "archive"
    return _text_format(head)


def _bare_dicom(head: bytes) -> bool:
    """Return whether a DICOM data set starts at byte 0, without the preamble.

    The first element must be of group 2 or 8, followed by a value representation or a plausible length.
    """
    if len(head) < 8:
        return False
    group, element, length = struct.unpack("<HHI", head[:8])
    if group in (0x0002, 0x0008) and element <= 0x3010 and (head[4:6] in _VRS or length <= 256):
        return True
    return head[:2] == b"\x00\x08" and head[4:6] in _VRS


def _nifti_format(head: bytes) -> str | None:
    """Return "nifti", "analyze" or None by the header size and the magic string."""
    if len(head) < 348:
        return None
    size = {struct.unpack(order + "i", head[:4])[0] for order in "<>"}
    if 348 in size:
        return "nifti" if head[344:348] in (b"n+1\0", b"ni1\0") else "analyze"
    if 540 in size and head[4:8] in (b"n+2\0", b"ni2\0"):
        return "nifti"
    return None


def is_mgh(head: bytes) -> bool:
    """Return whether ``head`` starts like a FreeSurfer MGH file.

    The header must state version 1, four positive sizes and one of the five voxel types.
    """
    if len(head) < 284:
        return False
    version, *sizes, kind = struct.unpack(">6i", head[:24])
    return version == 1 and min(sizes) > 0 and kind in (0, 1, 3, 4, 10)


def _inflated(head: bytes) -> bytes:
    """Return the inflated start of a gzip file, b"" if it is damaged."""
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
    except zlib.error:
        return b""


def _text_format(head: bytes) -> str:
    """Return "json", "markup", "text", "empty" or "unknown"."""
    if not head:
        return "empty"
    try:
        start = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError:
        return "unknown"
    if any(ord(sign) < 32 and sign not in "\t\r\n\f" for sign in start):
        return "unknown"
    lead = start.lstrip("\ufeff \t\r\n")[:1]
    return {"{": "json", "[": "json", "<": "markup"}.get(lead, "text")
