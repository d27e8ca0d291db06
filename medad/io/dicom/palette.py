"""Palettes: stored values as indices into tables of red, green and blue.

Source: DICOM PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6 (descriptors, data), C.7.9.2 (segmented data).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medad.io.core.picture import Array
from medad.io.dicom.header import Header
from medad.io.dicom.luts import descriptor_of, entries_of
from medad.io.dicom.pixels import Stored

_COLORS = ("Red", "Green", "Blue")
_MOST = 65536  # entries of a table
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2


@dataclass(frozen=True)
class Palette:
    """The color tables of an image, ``tables`` ``(3, entries)``, of ``bits`` bits.

    The stored value ``first`` is entry 0; values outside take the first or last entry.
    """

    tables: Array
    first: int
    bits: int

    def __call__(self, stored: Array) -> Array:
        """Map stored values ``(rows, columns)`` to colors ``(3, rows, columns)``."""
        index = np.clip(stored.astype(np.int64) - self.first, 0, self.tables.shape[1] - 1)
        colors: Array = self.tables[:, index]
        return colors


def palette_of(header: Header, stored: Stored, notes: list[str]) -> Palette | None:
    """Return the palette of a PALETTE COLOR image, None for any other image.

    A note is added to ``notes`` for a supplemental palette, which is not applied.

    Raises:
        UnreadableImage: The palette is missing, or contradicts itself.
    """
    if stored.photometric != "PALETTE COLOR":
        if stored.photometric.startswith("MONOCHROME") and header.has("RedPaletteColorLookupTableDescriptor"):
            notes.append("a supplemental palette colors some of its values: they are read as gray all the same")
        return None
    described = [descriptor_of(header, f"{color}PaletteColorLookupTableDescriptor", stored) for color in _COLORS]
    tables = [
        _table(header, color, descriptor[0], descriptor[2], stored)
        for color, descriptor in zip(_COLORS, described, strict=True)
    ]
    shortest = min(len(table) for table in tables)
    table = np.stack([table[:shortest] for table in tables])
    return Palette(*_scaled(table, described[0][1], described[0][2], notes))


def _scaled(tables: Array, first: int, bits: int, notes: list[str]) -> tuple[Array, int, int]:
    """Return tables, first value and bits such that the values fit the bits.

    Some senders state 8 bits and store 16, or the reverse.
    """
    top = int(tables.max(initial=0))
    if bits <= 8 and top > 255:
        notes.append("the palette states 8 bits and has entries of 16: their high bytes are taken")
        return tables >> 8, first, 8
    if bits > 8 and top <= 255:
        notes.append("the palette states 16 bits and has entries of 8: taken as 8 bits")
        return tables, first, 8
    return tables, first, 8 if bits <= 8 else 16


def _table(header: Header, color: str, count: int, bits: int, stored: Stored) -> Array:
    """Return the entries of one color, ``(count,)``.

    Raises:
        UnreadableImage: The table is damaged or has fewer entries.
    """
    keyword, segmented = f"{color}PaletteColorLookupTableData", f"Segmented{color}PaletteColorLookupTableData"
    if header.has(keyword) or not header.has(segmented):
        return entries_of(header, keyword, count, stored)
    raw = header.tags[segmented].value
    if not isinstance(raw, bytes):
        raise header.wrong(segmented, "does not fit its type")
    size = 1 if bits <= 8 else 2
    kind = "u1" if size == 1 else "<u2" if stored.syntax.is_little_endian else ">u2"
    data = np.frombuffer(raw[: len(raw) // size * size], kind).tolist()
    try:
        entries = _expanded(data, stored.syntax.is_little_endian, size == 1)
    except (IndexError, ValueError):
        raise header.wrong(segmented, "has segments that make no sense") from None
    if len(entries) < count:
        raise header.wrong(segmented, "has fewer entries than its descriptor says")
    return np.asarray(entries[:count], np.int64)


def _expanded(data: list[int], little: bool, bytewise: bool) -> list[int]:
    """Return the entries of a segmented table. An indirect segment repeats earlier segments that are not indirect.

    Raises:
        ValueError, IndexError: The segments contradict each other.
    """
    starts = _segments(data, 6 if bytewise else 4)
    entries: list[int] = []
    for start in starts:
        if data[start] != _INDIRECT:
            _append_segment(entries, data, start)
            continue
        words = data[start + 2 : start + 6] if bytewise else data[start + 2 : start + 4]
        parts = words if little else words[::-1]
        offset = sum(value << ((8 if bytewise else 16) * place) for place, value in enumerate(parts))
        first = starts.index(offset // (1 if bytewise else 2))
        for again in starts[first : first + data[start + 1]]:
            if data[again] == _INDIRECT or again >= start:
                raise ValueError("an indirect segment that repeats itself")
            _append_segment(entries, data, again)
    return entries


def _segments(data: list[int], indirect: int) -> list[int]:
    """Return where each segment starts, without a trailing null. ``indirect`` is the length of an indirect segment.

    Raises:
        ValueError: A segment is of an unknown kind, or is cut off.
    """
    starts, at = [], 0
    while at + 2 < len(data):
        starts.append(at)
        kind, length = data[at], data[at + 1]
        if kind not in (_DISCRETE, _LINEAR, _INDIRECT):
            raise ValueError("an unknown kind of segment")
        at += {_DISCRETE: 2 + length, _LINEAR: 3, _INDIRECT: indirect}[kind]
    if at > len(data):
        raise ValueError("a segment that is cut off")
    return starts


def _append_segment(entries: list[int], data: list[int], start: int) -> None:
    """Append the entries of the discrete or linear segment at ``start``."""
    kind, length = data[start], data[start + 1]
    if kind == _DISCRETE:
        entries += data[start + 2 : start + 2 + length]
    else:
        last, end = entries[-1], data[start + 2]
        entries += [round(last + (end - last) * step / length) for step in range(1, length + 1)]
    if len(entries) > _MOST:
        raise ValueError("more entries than a table can have")
