"""Classify a DICOM object: no image to score, an image of its own, or a slice.

A SOP class of the standard decides. For a vendor's own class, or none, the modality decides. Source: DICOM PS3.4 B.5.
"""

from __future__ import annotations

from pydicom.uid import UID

from medad.io.dicom.header import Header
from medad.io.dicom.tiled_volumes import is_tiled

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
    (".4.2", "spectroscopy", "MR spectroscopy"),
    (".88.", "report", "a structured report"),
    (".104.", "report", "an encapsulated document"),
    (".11.", "presentation", "a presentation state"),
    (".9.", "waveform", "a waveform"),
    (".77.1.6", "whole-slide", "a whole-slide image"),
)


_STORAGE = "1.2.840.10008.5.1.4.1.1"
# Classes whose images are slices: CT, MR and PET with their enhanced and legacy converted kinds.
_SLICES = frozenset((".2", ".2.1", ".2.2", ".4", ".4.1", ".4.3", ".4.4", ".128", ".128.1", ".130"))
_FLAT = frozenset(
    (
        "CR",
        "DX",
        "MG",
        "US",
        "IVUS",
        "IO",
        "PX",
        "XA",
        "RF",
        "ES",
        "GM",
        "XC",
        "OP",
        "OPT",
        "SM",
        "OT",
        "SC",
        "BI",
        "DG",
    )
)


def may_be_a_slice(header: Header) -> bool:
    """Return whether an image with a position can be a slice of a volume, and not only an image of its own.

    A standard SOP class decides, whatever the modality is: a Secondary Capture of a CT is not a slice of it. If the
    class is private, unknown or missing, every modality but those of single images may be a slice.
    """
    tail = sop_class(header).removeprefix(_STORAGE)
    if tail.startswith(".") and UID(_STORAGE + tail).name != _STORAGE + tail:
        return tail in _SLICES
    return header.text("Modality").upper() not in _FLAT


def sop_class(header: Header) -> str:
    """Return the SOP class UID of the data set; if it states none, that of the file meta information."""
    if stated := header.text("SOPClassUID"):
        return stated
    meta = getattr(header.tags, "file_meta", None)
    return "" if meta is None else str(meta.get("MediaStorageSOPClassUID", ""))


def not_an_image(header: Header) -> tuple[str, str] | None:
    """Return (kind, reason) if the object holds no image to score; None if its header describes one."""
    sop = sop_class(header)
    if sop == "1.2.840.10008.1.3.10" or header.has("DirectoryRecordSequence"):
        return "dicomdir", "it is a DICOMDIR, not an image"
    tail = sop.removeprefix(_STORAGE)
    for prefix, kind, what in _NOT_IMAGES:
        if tail != sop and (tail == prefix or (tail + ".").startswith(prefix.rstrip(".") + ".")):
            return kind, f"it is {what}, not an image"
    modality = header.text("Modality").upper()
    words = {"RTDOSE": ("rt-dose", "an RT dose"), "SEG": ("segmentation", "a SEG (segmentation)")}
    if modality in words:
        return words[modality][0], f"it is {words[modality][1]}, not an image"
    if header.has("TotalPixelMatrixRows"):
        return "whole-slide", "it is a whole-slide image, in tiles"
    if is_tiled(header):
        return "mosaic", "it is a mosaic of slices in one picture"
    if not (header.has("Rows") and header.has("Columns")):
        return "no-pixels", "its header describes no pixels"
    return None


def claims_an_image(header: Header) -> bool:
    """Return whether the SOP class is an image storage class, whether there are pixels or not."""
    return "Image Storage" in UID(sop_class(header)).name
