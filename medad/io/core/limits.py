"""Check claimed sizes before anything is decoded, so that a small file cannot exhaust the machine's memory."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path

from medad.io.core.errors import UnreadableImage
from medad.io.core.settings import ReadSettings

GROWTH_FLOOR = 64 * 1024**2
SMALLER = "the limit guards the machine's memory: if the file is to be trusted, store it as several smaller ones"
LESS_PACKED = "if the file is to be trusted, store it uncompressed"
_CHUNK = 1024**2


def check_claim(path: Path, shape: Sequence[int], settings: ReadSettings, *, on_disk: int | None = None) -> None:
    """Refuse an image whose claimed ``shape``, channels included, is empty, too large, or absurd for its file.

    ``on_disk`` is the size of all its files in bytes, by default that of ``path``. The image is float32.

    Raises:
        UnreadableImage: The shape is refused.
    """
    if not shape or min(shape) < 1:
        raise UnreadableImage(path, "empty", "its header claims an image without pixels")
    check_bytes(path, 4 * math.prod(int(size) for size in shape), settings, on_disk)


def check_bytes(path: Path, claimed: int, settings: ReadSettings, on_disk: int | None = None) -> None:
    """Refuse ``claimed`` decoded bytes that are over the limit, or absurdly many for the size of the file.

    Raises:
        UnreadableImage: The number is refused.
    """
    if claimed > settings.max_bytes:
        reason = f"it claims {claimed} bytes of pixels and the limit is {settings.max_bytes}"
        raise UnreadableImage(path, "too-large", reason, SMALLER)
    size = path.stat().st_size if on_disk is None else on_disk
    if claimed > GROWTH_FLOOR and claimed > settings.max_growth * max(size, 1):
        reason = f"it claims {claimed} bytes of pixels in a file of {size}, over {settings.max_growth} times its size"
        raise UnreadableImage(path, "too-large", reason, LESS_PACKED)


def check_present(path: Path, expected: int, actual: int) -> None:
    """Refuse pixel data of ``actual`` bytes where ``expected`` are needed.

    Raises:
        UnreadableImage: Bytes are missing.
    """
    if actual < expected:
        raise UnreadableImage(path, "truncated", f"it holds {actual} of the {expected} bytes of pixels it claims")


def check_inflated(path: Path, start: int, wbits: int, limit: int) -> int:
    """Inflate ``path`` from byte ``start`` in chunks, without storing the result.

    Returns:
        The position in the file where the compressed bytes end.

    Raises:
        UnreadableImage: There are more than ``limit`` inflated bytes.
    """
    inflate, total = zlib.decompressobj(wbits), 0
    with path.open("rb") as file:
        file.seek(start)
        pending = file.read(_CHUNK)
        while pending and not inflate.eof:
            total += len(inflate.decompress(pending, _CHUNK))
            if total > limit:
                reason = f"it inflates to more than {limit} bytes"
                raise UnreadableImage(path, "too-large", reason, SMALLER)
            pending = inflate.unconsumed_tail or file.read(_CHUNK)
        return file.tell() - len(inflate.unused_data)


def codestream_size(code: bytes) -> tuple[int, int] | None:
    """Return the (rows, columns) that a JPEG, JPEG-LS or JPEG 2000 codestream claims; None if it states none.

    Source: ITU-T T.81 B.2.2 (SOFn), T.87 C.1 (SOF55), T.800 A.5.1 (SIZ).
    """
    siz = code.find(b"\xff\x4f\xff\x51", 0, 4096)
    if siz >= 0 and len(code) >= siz + 24:
        width, height, x_offset, y_offset = (
            int.from_bytes(code[siz + at : siz + at + 4], "big") for at in (8, 12, 16, 20)
        )
        return height - y_offset, width - x_offset
    at = 2
    while code[:2] == b"\xff\xd8" and at + 9 <= len(code) and code[at] == 0xFF:
        marker = code[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(code[at + 5 : at + 7], "big"), int.from_bytes(code[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(code[at + 2 : at + 4], "big")
    return None
