"""Read from a compressed frame its codec, its error bound, and whether it is lossless.

Sources: ITU-T T.81 B.2 (JPEG), T.87 C.2 (JPEG-LS), T.800 A.5 and A.6 (JPEG 2000), T.814 (its high-throughput blocks),
DICOM PS3.5 annex G (RLE).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

_SEARCHED = 65536  # bytes of a frame that are searched for its headers
_SOC_SIZ = b"\xff\x4f\xff\x51"
_PROGRESSIVE = UID("1.2.840.10008.1.2.4.55")  # retired: no decoder here reads it, but errors can name it
_SOF = {0xC0: JPEGBaseline8Bit, 0xC1: JPEGExtended12Bit, 0xC2: _PROGRESSIVE}
_STANDALONE = (0x01, *range(0xD0, 0xD9))
_FAMILIES = (
    {JPEGBaseline8Bit, JPEGExtended12Bit},
    {JPEGLossless, JPEGLosslessSV1},
    {JPEGLSLossless, JPEGLSNearLossless},
    {JPEG2000Lossless, JPEG2000, "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"},
    {HTJ2KLossless, "1.2.840.10008.1.2.4.202", HTJ2K},
    {RLELossless},
    {_PROGRESSIVE},
)


def syntax_of(code: bytes) -> UID | None:
    """Return the transfer syntax under which DICOM stores such a frame; None if its codec is unknown."""
    start = code.find(_SOC_SIZ, 0, 4096)
    if start == 0 or (start > 0 and code[4:8] == b"jP  "):
        return _jpeg2000_syntax(code[start : start + _SEARCHED])
    if code[:2] == b"\xff\xd8":
        return _jpeg_syntax(code)
    return RLELossless if _is_rle(code) else None


def same_codec(first: UID, second: UID) -> bool:
    """Return whether two transfer syntaxes are variants of one codec, which the same decoder reads."""
    return first == second or any({first, second} <= family for family in _FAMILIES)


def near_of(code: bytes) -> int | None:
    """Return the largest error of a JPEG-LS frame, its NEAR parameter (0 if lossless); None for other frames."""
    is_jpeg_ls = False
    for marker, content in _segments(code):
        is_jpeg_ls = is_jpeg_ls or marker == 0xF7
        if marker == 0xDA and is_jpeg_ls and len(content) >= 3:
            return content[-3]
    return None


def _jpeg_syntax(code: bytes) -> UID | None:
    """Return the transfer syntax of a JPEG or JPEG-LS frame, by its start-of-frame and start-of-scan segments."""
    lossless_syntax: UID | None = None
    for marker, content in _segments(code):
        if marker in _SOF:
            return _SOF[marker]
        if marker == 0xC3:
            lossless_syntax = JPEGLossless
        elif marker == 0xF7:
            lossless_syntax = JPEGLSLossless
        elif marker == 0xDA and lossless_syntax is not None and len(content) >= 3:
            if lossless_syntax == JPEGLSLossless:
                return JPEGLSNearLossless if content[-3] else JPEGLSLossless
            return JPEGLosslessSV1 if content[-3] == 1 else JPEGLossless  # the predictor
    return None


def _jpeg2000_syntax(code: bytes) -> UID:
    """Return the transfer syntax of a JPEG 2000 frame.

    Reversible 5-3 wavelets are the lossless syntax; a CAP segment announces high-throughput coding.
    """
    high, reversible = False, False
    for marker, content in _segments(code):
        high = high or marker == 0x50
        if marker == 0x52 and len(content) >= 10:
            reversible = content[9] == 1
            break
    if high:
        return HTJ2KLossless if reversible else HTJ2K
    return JPEG2000Lossless if reversible else JPEG2000


def _segments(code: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker segments before the coded data, each with its content after the length.

    The last segment may be the start of scan.
    """
    at = 2
    while at + 4 <= min(len(code), _SEARCHED) and code[at] == 0xFF:
        marker = code[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(code[at + 2 : at + 4], "big")
        yield marker, code[at + 4 : at + 2 + length]
        if length < 2 or marker in (0xDA, 0x90):  # start of scan, start of tile
            return
        at += 2 + length


def _is_rle(code: bytes) -> bool:
    """Return whether ``code`` starts with an RLE header: the number of segments, their starts, zeros up to byte 64."""
    if len(code) < 64:
        return False
    count, *offsets = (int.from_bytes(code[at : at + 4], "little") for at in range(0, 64, 4))
    used = offsets[:count]
    return 1 <= count <= 15 and used[0] == 64 and used == sorted(set(used)) and not any(offsets[count:])
