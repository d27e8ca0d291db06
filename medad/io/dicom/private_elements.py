"""Elements of the vendors' private groups, found by their creator. Source: DICOM PS3.5 7.8.1."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

_BLOCKS = range(0x10, 0x14)  # a creator reserves one of the blocks 10 to FF; vendors' own files use the first ones
_LONGEST = 1024  # bytes of a value that are compared
_BINARY = {"FL": "f", "FD": "d", "SS": "h", "US": "H", "SL": "i", "UL": "I"}


@dataclass(frozen=True)
class Private:
    """An element ``(group, xx element)`` of a private block.

    ``kind`` is its value representation, which an implicit transfer syntax does not state.
    """

    group: int
    creator: str
    element: int
    kind: str

    def tags(self) -> list[BaseTag]:
        """Return all tags that have to be read to find the element."""
        return [tag for pair in _candidate_tags(self) for tag in pair]

    def of(self, tags: Dataset) -> str:
        """Return the value as text, "" if it is absent."""
        element = self._element(tags)
        return "" if element is None else text_of(element, self.kind)

    def bytes_of(self, tags: Dataset) -> bytes:
        """Return the value as stored, b"" if it is absent."""
        value = getattr(self._element(tags), "value", None)
        return value if isinstance(value, bytes) else b""

    def _element(self, tags: Dataset) -> Any:
        """Return the element, None if it is absent.

        If de-identification has removed the creators, the first block is taken as the vendor's.
        """
        present = tags.keys()
        for place, creator in _candidate_tags(self):
            if place in present:
                maker = tags.get_item(creator) if creator in present else None
                first = maker is None and creator.element == _BLOCKS[0]
                if first or (maker is not None and text_of(maker, "LO").upper().startswith(self.creator)):
                    return tags.get_item(place)
        return None


@cache
def _candidate_tags(private: Private) -> tuple[tuple[BaseTag, BaseTag], ...]:
    """Return the tag of the element and the tag of its creator, for each block."""
    group = private.group
    return tuple((Tag(group, block << 8 | private.element), Tag(group, block)) for block in _BLOCKS)


def text_of(element: Any, kind: str) -> str:
    """Return the value of an element as normalized text: equal values give equal texts, such as "4.920" and "4.92".

    ``kind`` is its value representation, used if the file does not state it.
    """
    kind = kind if element.VR in (None, "UN", "OB") else str(element.VR)
    value = element.value
    if value is None:
        return ""
    if isinstance(value, bytes):
        little = element.is_little_endian if isinstance(element, RawDataElement) else True
        return "\\".join(_texts_of_bytes(value[:_LONGEST], kind, little))
    items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return "\\".join(_normalized(str(item), kind) for item in items)


def _texts_of_bytes(value: bytes, kind: str, little: bool) -> list[str]:
    """Return the values in the bytes of an element as normalized texts."""
    if kind in _BINARY:
        code, size = _BINARY[kind], struct.calcsize(_BINARY[kind])
        numbers = struct.unpack(
            f"{'<' if little else '>'}{len(value) // size}{code}", value[: len(value) // size * size]
        )
        return [_number_text(float(item)) for item in numbers]
    text = value.decode("latin-1").rstrip(" \0")
    return [_normalized(item, kind) for item in text.split("\\")]


def _normalized(text: str, kind: str) -> str:
    """Return one value as normalized text."""
    text = text.strip()
    if kind in ("TM", "DT"):
        return text.rstrip("0").removesuffix(".") if "." in text else text
    if kind in ("DS", "IS", *_BINARY) and re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", text):
        try:
            return _number_text(float(text))
        except ValueError:
            return text
    return text


def _number_text(value: float) -> str:
    """Return a number as text: an integer without a fraction, any other number with 6 digits."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1e15
    return str(int(value)) if whole else f"{value:.6g}"
