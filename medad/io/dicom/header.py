"""Open a DICOM file and read typed values from its header; a wrong value raises ``UnreadableImage`` only."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medad.io.core.bounded import read_tags
from medad.io.core.errors import UnreadableImage
from medad.io.core.formats import HEAD
from medad.io.core.limits import SMALLER, check_inflated
from medad.io.core.settings import ReadSettings

# pydicom quotes values of wrong tags in its warnings, and a patient's name or number must not reach a log.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_DEFLATED = b"1.2.840.10008.1.2.1.99"
REPAIR = "have the sender repair its header"


@dataclass(frozen=True)
class Header:
    """A data set, or an item of one of its sequences, read as typed values. Errors name ``path``."""

    path: Path
    tags: Dataset
    _values: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def has(self, keyword: str) -> bool:
        """Return whether the element is present and not empty."""
        return self._raw(keyword) not in (None, "")

    def text(self, keyword: str) -> str:
        """Return the first value as text, "" if it is absent."""
        raw = self._first(keyword)
        return "" if raw is None else str(raw).strip()

    def texts(self, keyword: str) -> list[str]:
        """Return all values as text."""
        raw = self._raw(keyword)
        return [str(value).strip() for value in _as_list(raw)]

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Return the first value as a whole number.

        Raises:
            UnreadableImage: The value is no whole number, or is absent and there is no ``default``.
        """
        number = self.number(keyword, None if default is None else float(default))
        if number != int(number):
            raise self.wrong(keyword, "is not a whole number")
        return int(number)

    def number(self, keyword: str, default: float | None = None) -> float:
        """Return the first value as a finite number.

        Raises:
            UnreadableImage: The value is no finite number, or is absent and there is no ``default``.
        """
        numbers = self.numbers(keyword)
        if numbers:
            return numbers[0]
        if default is None:
            raise self.wrong(keyword, "is missing")
        return default

    def numbers(self, keyword: str) -> list[float]:
        """Return all values as finite numbers, ``[]`` if absent.

        Raises:
            UnreadableImage: A value is no finite number.
        """
        try:
            numbers = [float(number) for number in _as_list(self._raw(keyword)) if number not in (None, "")]
        except (TypeError, ValueError):
            raise self.wrong(keyword, "is not a number") from None
        if not all(math.isfinite(number) for number in numbers):
            raise self.wrong(keyword, "is not finite")
        return numbers

    def items(self, keyword: str) -> list[Header]:
        """Return the items of a sequence, ``[]`` if it is absent or no sequence."""
        raw = self._raw(keyword)
        if not isinstance(raw, pydicom.Sequence):
            return []
        return [Header(self.path, item) for item in raw]

    def wrong(self, keyword: str, how: str) -> UnreadableImage:
        """Return the error for an element whose value cannot be used. The value itself is not quoted."""
        return UnreadableImage(self.path, "corrupt", f"its {keyword} {how}", REPAIR)

    def _raw(self, keyword: str) -> Any:
        """Return the value as pydicom gives it, None if it is absent; each value is parsed once."""
        if keyword in self._values:
            return self._values[keyword]
        tag = _tag(keyword)
        try:
            element = self.tags.get_item(tag)
            value = _value_without_parsing(element)
            if value is None and element is not None:
                value = self.tags[tag].value
        except Exception:  # broad on purpose: pydicom raises what the wrong bytes provoke, of any type
            raise self.wrong(keyword, "does not fit its type") from None
        self._values[keyword] = value
        return value

    def _first(self, keyword: str) -> Any:
        """Return the first value, None if there is none."""
        values = _as_list(self._raw(keyword))
        return values[0] if values else None


def _value_without_parsing(element: Any) -> Any:
    """Return the value of an unparsed element of a simple type, since pydicom's parsing takes half of the time.

    None means that pydicom has to parse the element.
    """
    if not isinstance(element, RawDataElement) or element.value is None:
        return None
    kind = element.VR or kind_of(element.tag)
    if kind == "US" and len(element.value) == 2:
        return int.from_bytes(element.value, "little" if element.is_little_endian else "big")
    if kind in ("DS", "IS", "CS", "UI") and element.value.isascii():
        values = element.value.decode("ascii").rstrip(" \0").split("\\")
        return values if len(values) > 1 else values[0]
    return None


@cache
def kind_of(tag: BaseTag) -> str:
    """Return the value representation of an element of the standard, "UN" for any other element."""
    return str(dictionary_VR(tag)) if dictionary_has_tag(tag) else "UN"


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _as_list(raw: Any) -> list[Any]:
    """Return the values of an element as a list."""
    if raw is None or raw == "":
        return []
    return list(raw) if isinstance(raw, (list, tuple, pydicom.multival.MultiValue)) else [raw]


def open_dicom(
    path: Path, settings: ReadSettings, *, pixels: bool = True, tags: list[str] | list[BaseTag] | None = None
) -> Header:
    """Read a DICOM file whose size and inflated size are within the limits; only ``tags`` if they are given.

    Raises:
        UnreadableImage: The file, its inflated data set or its header is over the limits.
    """
    with path.open("rb") as file:
        size, head = os.fstat(file.fileno()).st_size, file.read(HEAD)
        if size > 2 * settings.max_bytes:
            raise UnreadableImage(path, "too-large", f"the file has {size} bytes", SMALLER)
        end = size
        if deflated := _DEFLATED in head:
            meta = pydicom.filereader.read_file_meta_info(str(path))
            start = 144 + int(meta.get("FileMetaInformationGroupLength", 0))
            end = check_inflated(path, start, -15, min(2 * settings.max_bytes, max(settings.max_growth * size, 2**26)))
        file.seek(0)
        bare = head[128:132] != b"DICM"
        return Header(path, read_tags(file, path, end, force=bare, pixels=pixels, deflated=deflated, tags=tags))
