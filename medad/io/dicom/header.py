"""Opening a DICOM file and asking its header questions that wrong values cannot answer with an untyped error."""

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
from pydicom.encaps import generate_frames
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from medad.io.bounded import read_tags
from medad.io.codestream import same_codec, syntax_of
from medad.io.errors import UnreadableImage
from medad.io.formats import HEAD
from medad.io.limits import SMALLER, check_inflated
from medad.io.settings import ReadSettings

# pydicom quotes the values of wrong tags in its warnings, and a patient's name or number must not reach a log.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_ITEM = b"\xfe\xff\x00\xe0"  # how encapsulated pixels start
REPAIR = "have the sender repair its header"


@dataclass(frozen=True)
class Header:
    """A data set, or an item of one of its sequences, with typed answers. ``path`` is for the errors."""

    path: Path
    tags: Dataset
    _seen: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def has(self, keyword: str) -> bool:
        """Whether the tag is there and holds something."""
        return self._raw(keyword) not in (None, "")

    def text(self, keyword: str) -> str:
        """The first value as text, "" when absent."""
        raw = self._first(keyword)
        return "" if raw is None else str(raw).strip()

    def texts(self, keyword: str) -> list[str]:
        """All values as text."""
        raw = self._raw(keyword)
        return [str(one).strip() for one in _many(raw)]

    def integer(self, keyword: str, default: int | None = None) -> int:
        """The first value as a whole number; absent without a default, or no number: an error."""
        number = self.number(keyword, None if default is None else float(default))
        if number != int(number):
            raise self.wrong(keyword, "is not a whole number")
        return int(number)

    def number(self, keyword: str, default: float | None = None) -> float:
        """The first value as a finite number; absent without a default, or no number: an error."""
        found = self.numbers(keyword)
        if found:
            return found[0]
        if default is None:
            raise self.wrong(keyword, "is missing")
        return default

    def numbers(self, keyword: str) -> list[float]:
        """All values as finite numbers, [] when absent."""
        try:
            found = [float(one) for one in _many(self._raw(keyword)) if one not in (None, "")]
        except (TypeError, ValueError):
            raise self.wrong(keyword, "is not a number") from None
        if not all(math.isfinite(one) for one in found):
            raise self.wrong(keyword, "is not finite")
        return found

    def items(self, keyword: str) -> list[Header]:
        """The items of a sequence, [] when absent or no sequence."""
        raw = self._raw(keyword)
        if not isinstance(raw, pydicom.Sequence):
            return []
        return [Header(self.path, item) for item in raw]

    def wrong(self, keyword: str, how: str) -> UnreadableImage:
        """The error for a tag whose value cannot be used; the value itself is not quoted."""
        return UnreadableImage(self.path, "corrupt", f"its {keyword} {how}", REPAIR)

    def _raw(self, keyword: str) -> Any:
        if keyword in self._seen:
            return self._seen[keyword]
        tag = _tag(keyword)
        try:
            element = self.tags.get_item(tag)
            value = _quick(element)
            if value is None and element is not None:
                value = self.tags[tag].value
        except Exception:  # broad on purpose: pydicom raises what the wrong bytes provoke, of any type
            raise self.wrong(keyword, "does not fit its type") from None
        self._seen[keyword] = value
        return value

    def _first(self, keyword: str) -> Any:
        many = _many(self._raw(keyword))
        return many[0] if many else None


def _quick(element: Any) -> Any:
    """The value of an element that pydicom has not parsed yet, for the simple types; parsing is half of its time."""
    if not isinstance(element, RawDataElement) or element.value is None:
        return None
    kind = element.VR or kind_of(element.tag)
    if kind == "US" and len(element.value) == 2:
        return int.from_bytes(element.value, "little" if element.is_little_endian else "big")
    if kind in ("DS", "IS", "CS", "UI") and element.value.isascii():
        found = element.value.decode("ascii").rstrip(" \0").split("\\")
        return found if len(found) > 1 else found[0]
    return None


@cache
def kind_of(tag: BaseTag) -> str:
    """The value representation of an element that the standard defines, "UN" for any other."""
    return str(dictionary_VR(tag)) if dictionary_has_tag(tag) else "UN"


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _many(raw: Any) -> list[Any]:
    if raw is None or raw == "":
        return []
    return list(raw) if isinstance(raw, (list, tuple, pydicom.multival.MultiValue)) else [raw]


def open_dicom(
    path: Path, settings: ReadSettings, *, pixels: bool = True, tags: list[str] | list[BaseTag] | None = None
) -> Header:
    """Read a DICOM file whose size and inflated size are within the limits; only ``tags`` when given."""
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


def transfer_syntax(header: Header, notes: list[str]) -> UID:
    """The transfer syntax of a data set; where the file does not say, the one that its bytes show."""
    meta = getattr(header.tags, "file_meta", None)
    stated = meta.get("TransferSyntaxUID") if meta is not None else None
    if (coded := _codec_of(header, UID(str(stated)) if stated else None)) is not None:
        said = "another transfer syntax is stated" if stated else "no transfer syntax is stated"
        notes.append(f"{said}: its frames are {coded.name}")
        return coded
    if stated:
        return UID(str(stated))
    implicit, little = header.tags.original_encoding
    notes.append("no transfer syntax is stated: taken from the encoding of the data set")
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


def _codec_of(header: Header, stated: UID | None) -> UID | None:
    """The transfer syntax of encapsulated pixels whose codec is not the one that is stated, by their first frame.

    Raises:
        UnreadableImage: their codec is not known.
    """
    if "PixelData" not in header.tags:
        return None
    element = header.tags["PixelData"]
    data = element.value
    if not isinstance(data, bytes) or not (element.is_undefined_length or data[:4] == _ITEM):
        return None
    try:
        first = next(generate_frames(data, number_of_frames=1), b"")
    except ValueError:  # the items make no sense; the decoder's step says so
        return None
    coded = syntax_of(first)
    if stated is not None and (coded is None or same_codec(stated, coded)):
        return None
    if coded is None and not element.is_undefined_length:
        return None
    if coded is None:
        reason = "no transfer syntax is stated, and its compressed frames are of no codec that medad knows"
        raise UnreadableImage(header.path, "unsupported-transfer-syntax", reason, REPAIR)
    return coded
