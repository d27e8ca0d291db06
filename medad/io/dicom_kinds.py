"""What a DICOM object is, when it is no image to score."""

from __future__ import annotations

from pydicom.uid import UID

from medad.io.dicom_header import Header

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
