"""Lookup tables and VOI windows of a DICOM header. Source: DICOM PS3.3 C.11.1 and C.11.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medad.io.core.picture import Array
from medad.io.dicom.header import Header
from medad.io.dicom.pixels import Stored

GRAY_MAX = 255.0


@dataclass(frozen=True)
class Lut:
    """A lookup table: the stored value ``first`` is its entry 0; values outside take its first or last entry."""

    first: int
    entries: Array
    bits: int

    def __call__(self, values: Array) -> Array:
        index = np.clip(np.rint(values), self.first, self.first + len(self.entries) - 1).astype(np.int64) - self.first
        looked_up: Array = self.entries[index]
        return looked_up


@dataclass(frozen=True)
class Window:
    """A VOI window with its function: LINEAR, LINEAR_EXACT or SIGMOID.

    Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.
    """

    center: float
    width: float
    function: str
    name: str = ""

    def __call__(self, values: Array) -> Array:
        """Map ``values`` to 0..255."""
        if self.function == "SIGMOID":
            power = np.clip(-4 * (values - self.center) / self.width, -700, 700)
            return GRAY_MAX / (1 + np.exp(power))
        shift, width = (0.5, self.width - 1) if self.function == "LINEAR" else (0.0, self.width)
        if width == 0:
            return np.where(values > self.center - shift, GRAY_MAX, 0.0)
        return np.clip((values - (self.center - shift)) / width + 0.5, 0, 1) * GRAY_MAX


def windows_of(place: Header, notes: list[str]) -> list[Window]:
    """Return the usable windows of a data set or functional group, in the file's order."""
    function = place.text("VOILUTFunction").upper() or "LINEAR"
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes.append("the VOI LUT function is unknown: taken as LINEAR")
        function = "LINEAR"
    centers, widths = place.numbers("WindowCenter"), place.numbers("WindowWidth")
    names = place.texts("WindowCenterWidthExplanation")
    usable = [(c, w, i) for i, (c, w) in enumerate(zip(centers, widths, strict=False)) if w > 0]
    usable = [(c, w, i) for c, w, i in usable if w >= 1 or function != "LINEAR"]
    if len(usable) < len(centers):
        notes.append("a VOI window without a valid width is ignored")
    return [Window(c, w, function, names[i] if i < len(names) else "") for c, w, i in usable]


def lut_of(table: Header, stored: Stored) -> Lut:
    """Return the table of a LUT sequence item: descriptor (entries, first value, bits) and data, in any VR.

    Raises:
        UnreadableImage: The descriptor or the data are incomplete.
    """
    count, first, bits = descriptor_of(table, "LUTDescriptor", stored)
    return Lut(first, entries_of(table, "LUTData", count, stored).astype(np.float64), bits)


def descriptor_of(table: Header, keyword: str, stored: Stored) -> tuple[int, int, int]:
    """Return the number of entries, the stored value of the first entry, and the bits of an entry.

    Raises:
        UnreadableImage: The descriptor does not have three values.
    """
    descriptor = [int(number) for number in table.numbers(keyword)]
    if len(descriptor) != 3:
        raise table.wrong(keyword, "does not have three values")
    count, first, bits = descriptor[0] % 65536 or 65536, descriptor[1], descriptor[2]
    if stored.signed and first >= 2**15:
        first -= 2**16
    return count, first, bits


def entries_of(table: Header, keyword: str, count: int, stored: Stored) -> Array:
    """Return the ``count`` entries of a table as whole numbers.

    Raises:
        UnreadableImage: There are fewer entries.
    """
    raw: Any = table.tags.get(keyword)
    if isinstance(raw, bytes):
        kind = "u1" if len(raw) < 2 * count else ("<u2" if stored.syntax.is_little_endian else ">u2")
        entries = np.frombuffer(raw[: len(raw) // np.dtype(kind).itemsize * np.dtype(kind).itemsize], kind)
    else:
        entries = np.asarray([raw] if isinstance(raw, int) else raw if raw is not None else [], np.int64) % 65536
    if len(entries) < count:
        raise table.wrong(keyword, "has fewer entries than its descriptor says")
    return entries[:count].astype(np.int64)
