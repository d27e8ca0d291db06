"""Opening a DICOM file and asking its header questions that wrong values cannot answer with an untyped error."""

from __future__ import annotations

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
from pydicom.uid import UID

from medad.io.errors import UnreadableImage
from medad.io.formats import HEAD
from medad.io.limits import check_inflated
from medad.io.settings import ReadSettings

_DEFLATED = b"1.2.840.10008.1.2.1.99"
REPAIR = "have the sender repair its header"

# SOP classes that hold no image to score: the UID after 1.2.840.10008.5.1.4.1.1 up to a prefix, and its word.
_NOT_IMAGES = (
    (".481.2", "rt-dose", "an RT dose"),
    (".481.3", "rt-structure-set", "an RT structure set"),
    (".481.5", "rt-plan", "an RT plan"),
    (".481.8", "rt-plan", "an RT plan"),
    (".481.", "rt-record", "an RT record"),
    (".66.4", "segmentation", "a SEG (segmentation)"),
    (".66.5", "segmentation", "a SEG (surface segmentation)"),
    (".66.7", "segmentation", "a SEG (label map)"),
    (".66", "registration", "a registration or raw data object"),
    (".30", "parametric-map", "a parametric map"),
    (".88.", "report", "a structured report"),
    (".104.", "report", "an encapsulated document"),
    (".11.", "presentation", "a presentation state"),
    (".9.", "waveform", "a waveform"),
    (".77.1.6", "whole-slide", "a whole-slide image"),
)


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
    kind = element.VR or _kind(element.tag)
    if kind == "US" and len(element.value) == 2:
        return int.from_bytes(element.value, "little" if element.is_little_endian else "big")
    if kind in ("DS", "IS", "CS", "UI") and element.value.isascii():
        found = element.value.decode("ascii").rstrip(" \0").split("\\")
        return found if len(found) > 1 else found[0]
    return None


@cache
def _kind(tag: BaseTag) -> str:
    return str(dictionary_VR(tag)) if dictionary_has_tag(tag) else "UN"


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _many(raw: Any) -> list[Any]:
    if raw is None or raw == "":
        return []
    return list(raw) if isinstance(raw, (list, tuple, pydicom.multival.MultiValue)) else [raw]


def open_dicom(path: Path, settings: ReadSettings, *, pixels: bool = True, tags: list[str] | None = None) -> Header:
    """Read a DICOM file whose size and inflated size are within the limits; only ``tags`` when given."""
    with path.open("rb") as file:
        size, head = os.fstat(file.fileno()).st_size, file.read(HEAD)
        if size > 2 * settings.max_bytes:
            raise UnreadableImage(path, "too-large", f"the file has {size} bytes", "raise max_bytes to read it")
        if _DEFLATED in head:
            meta = pydicom.filereader.read_file_meta_info(str(path))
            start = 144 + int(meta.get("FileMetaInformationGroupLength", 0))
            check_inflated(path, start, -15, min(2 * settings.max_bytes, max(settings.max_growth * size, 2**26)))
        file.seek(0)
        bare = head[128:132] != b"DICM"
        return Header(path, pydicom.dcmread(file, force=bare, stop_before_pixels=not pixels, specific_tags=tags))


def transfer_syntax(header: Header, notes: list[str]) -> UID:
    """The transfer syntax of a data set; where the file does not say, the one that its bytes show."""
    meta = getattr(header.tags, "file_meta", None)
    stated = meta.get("TransferSyntaxUID") if meta is not None else None
    if stated:
        return UID(str(stated))
    implicit, little = header.tags.original_encoding
    notes.append("no transfer syntax is stated: taken from the encoding of the data set")
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


def not_an_image(header: Header) -> tuple[str, str] | None:
    """(kind, reason) if the object holds no image to score; None if its header describes one."""
    sop, meta = header.text("SOPClassUID"), getattr(header.tags, "file_meta", None)
    if not sop and meta is not None:
        sop = str(meta.get("MediaStorageSOPClassUID", ""))
    if sop == "1.2.840.10008.1.3.10" or header.has("DirectoryRecordSequence"):
        return "dicomdir", "it is a DICOMDIR, not an image"
    tail = sop.removeprefix("1.2.840.10008.5.1.4.1.1")
    for prefix, kind, what in _NOT_IMAGES:
        if tail != sop and (tail == prefix or (tail + ".").startswith(prefix.rstrip(".") + ".")):
            return kind, f"it is {what}, not an image"
    modality = header.text("Modality").upper()
    words = {"RTDOSE": ("rt-dose", "an RT dose"), "SEG": ("segmentation", "a SEG (segmentation)")}
    if modality in words:
        return words[modality][0], f"it is {words[modality][1]}, not an image"
    if header.has("TotalPixelMatrixRows"):
        return "whole-slide", "it is a whole-slide image, in tiles"
    if "MOSAIC" in header.texts("ImageType"):
        return "mosaic", "it is a mosaic of slices in one picture"
    if not (header.has("Rows") and header.has("Columns")):
        return "no-pixels", "its header describes no pixels"
    return None


def claims_an_image(header: Header) -> bool:
    """Whether the SOP class is one of the image storage classes, pixels or not."""
    return "Image Storage" in UID(header.text("SOPClassUID")).name
