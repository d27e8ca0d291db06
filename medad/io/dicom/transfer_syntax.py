"""Determine the transfer syntax of a DICOM file, also where the file states none or a wrong one."""

from __future__ import annotations

import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from medad.io.core.codestream import same_codec, syntax_of
from medad.io.core.errors import UnreadableImage
from medad.io.dicom.header import REPAIR, Header

_ITEM = b"\xfe\xff\x00\xe0"  # the first bytes of encapsulated pixels


def transfer_syntax(header: Header, notes: list[str]) -> UID:
    """Return the transfer syntax of a data set; the one that its bytes show if none or a wrong one is stated.

    Deviations are added to ``notes``.

    Raises:
        UnreadableImage: No transfer syntax is stated, and the compressed frames are of no known codec.
    """
    meta = getattr(header.tags, "file_meta", None)
    stated = meta.get("TransferSyntaxUID") if meta is not None else None
    if (coded := _deviating_codec(header, UID(str(stated)) if stated else None)) is not None:
        sentence = "another transfer syntax is stated" if stated else "no transfer syntax is stated"
        notes.append(f"{sentence}: its frames are {coded.name}")
        return coded
    if stated:
        return UID(str(stated))
    implicit, little = header.tags.original_encoding
    notes.append("no transfer syntax is stated: taken from the encoding of the data set")
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


def _deviating_codec(header: Header, stated: UID | None) -> UID | None:
    """Return the transfer syntax of encapsulated pixels by their first frame; None if ``stated`` agrees with it.

    Raises:
        UnreadableImage: None is stated, and the codec is unknown.
    """
    if "PixelData" not in header.tags:
        return None
    element = header.tags["PixelData"]
    data = element.value
    if not isinstance(data, bytes) or not (element.is_undefined_length or data[:4] == _ITEM):
        return None
    try:
        first = next(generate_frames(data, number_of_frames=1), b"")
    except ValueError:  # the items are damaged: decoding raises the error
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
