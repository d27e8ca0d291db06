"""Read from a DICOM header how an image was acquired, without free text that could name a person or a place.

Source: DICOM PS3.3 C.7.5.1 (general equipment), C.7.3.1.1.1, C.8.7.1 to C.8.12 (modality-specific modules).
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from medad.io.core.errors import UnreadableImage
from medad.io.dicom.header import Header

_MANUFACTURERS = (
    *("siemens", "philips", "canon", "toshiba", "fujifilm", "fuji", "agfa", "carestream", "kodak", "konica"),
    *("shimadzu", "hologic", "samsung", "hitachi", "united imaging", "lodox", "varian", "carl zeiss", "topcon", "ge"),
)
_NUMBERS = {"kvp": "KVP", "field_strength": "MagneticFieldStrength", "slice_thickness": "SliceThickness"}
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription", "StudyDescription")
_PORTABLE = re.compile(r"\b(portable|bedside|mobile)\b", re.IGNORECASE)
_POSITIONS = frozenset({"AP", "PA", "LL", "RL", "CC", "MLO"})


def equipment_of(header: Header) -> dict[str, Any]:
    """Return the facts of the acquisition that the header states; a fact that it does not state is None.

    Keys: ``manufacturer`` (a word of a fixed vocabulary), ``scanner`` (8 hex digits of a hash of the model's name, so
    that images of one model can be recognized without its name), ``position`` (AP, PA, ...), ``portable`` (True where a
    description says so, else None), ``kvp``, ``field_strength`` (tesla), ``slice_thickness`` (mm).
    """
    scanner = " ".join(_text(header, "ManufacturerModelName").upper().split())
    position = _text(header, "ViewPosition").upper()
    return {
        "manufacturer": _manufacturer(_text(header, "Manufacturer")),
        "scanner": hashlib.sha256(scanner.encode()).hexdigest()[:8] if scanner else None,
        "position": position if position in _POSITIONS else None,
        "portable": any(_PORTABLE.search(_text(header, keyword)) for keyword in _DESCRIPTIONS) or None,
        **{name: _number(header, keyword) for name, keyword in _NUMBERS.items()},
    }


def _manufacturer(stated: str) -> str | None:
    """Return the word of the vocabulary that ``stated`` contains; "other" for any other name."""
    words = f" {' '.join(re.findall('[a-z]+', stated.lower()))} "
    if not words.strip():
        return None
    return next((name for name in _MANUFACTURERS if f" {name} " in words), "other")


def _text(header: Header, keyword: str) -> str:
    """Return the text of an element; "" for a damaged one, since no fact of the acquisition may cost an image."""
    try:
        return header.text(keyword)
    except UnreadableImage:
        return ""


def _number(header: Header, keyword: str) -> float | None:
    """Return the number of an element; None where it is absent, not positive or damaged."""
    try:
        number = header.number(keyword, 0.0)
    except UnreadableImage:
        return None
    return number if number > 0 else None
