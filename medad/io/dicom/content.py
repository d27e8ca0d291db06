"""Read from a DICOM header what an image shows, in a fixed vocabulary, so that no free text leaves the file.

Source: DICOM PS3.3 C.7.3.1.1.1 (modality), C.7.6.1.1.2 (image type), C.8.11.5.1.1 (view position); PS3.16 CID 4010, L.
"""

from __future__ import annotations

import re
from typing import Any

from medad.io.dicom.header import Header

PROJECTION = frozenset({"CR", "DX", "RG"})
_FRONTAL = frozenset({"AP", "PA"})
_LATERAL = frozenset({"LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT"})
_OTHER_VIEWS = frozenset({"RLD", "LLD", "RLO", "LLO", "CC", "MLO", "ML", "LM", "XCCL", "XCCM"})
_VIEW_CODES = {  # SNOMED CT, and the SRT codes that came before
    **dict.fromkeys(("399348003", "272479007", "399033003", "R-10206", "R-40888", "R-10214", "R-10202"), "frontal"),
    **dict.fromkeys(("399067008", "399173006", "399198007", "R-102CD", "R-10236", "R-10232"), "lateral"),
    **dict.fromkeys(("399162004", "R-10242"), "CC"),
    **dict.fromkeys(("399368009", "R-10226"), "MLO"),
}
_REGIONS = {
    "chest": "CHEST THORAX LUNG LUNGS",
    "head": "HEAD BRAIN SKULL CRANIUM FACE SINUS SINUSES ORBIT",
    "neck": "NECK",
    "abdomen": "ABDOMEN KUB LIVER KIDNEY",
    "pelvis": "PELVIS HIP PROSTATE",
    "spine": "SPINE CSPINE TSPINE LSPINE SSPINE CERVICAL LUMBAR SACRUM",
    "breast": "BREAST",
    "arm": "SHOULDER HUMERUS ARM ELBOW FOREARM WRIST HAND FINGER CLAVICLE SCAPULA",
    "leg": "FEMUR THIGH LEG KNEE PATELLA TIBIA ANKLE FOOT TOE CALCANEUS",
    "eye": "EYE RETINA",
}
_REGION_OF = {word: region for region, words in _REGIONS.items() for word in words.split()}


def content_of(header: Header) -> dict[str, Any]:
    """Return ``modality``, ``region`` and ``view`` (None if not stated), ``localizer`` and ``capture`` (bool).

    A word outside the fixed vocabulary counts as not stated: it must neither be copied nor decide anything.
    """
    modality = header.text("Modality").upper()
    kinds = [value.upper() for value in header.texts("ImageType")]
    return {
        "modality": modality if re.fullmatch("[A-Z]{2,8}", modality) else None,
        "region": _region(header.text("BodyPartExamined")),
        "view": _view(header, modality),
        "localizer": "LOCALIZER" in kinds,
        "capture": _is_capture(header.text("SOPClassUID"), modality),
    }


def _is_capture(sop: str, modality: str) -> bool:
    """Return whether the image is a secondary capture.

    These are the SOP classes .7 and .7.1 to .7.4, unless the modality is one whose films are scanned.
    """
    tail = sop.removeprefix("1.2.840.10008.5.1.4.1.1")
    return (tail == ".7" or tail.startswith(".7.")) and modality not in PROJECTION


def _region(stated: str) -> str | None:
    """Return the region that the words name; None if they name none or several."""
    words = re.findall("[A-Z]+", stated.upper())
    regions = {_REGION_OF[word] for word in (*words, "".join(words)) if word in _REGION_OF}
    return regions.pop() if len(regions) == 1 else None


def _view(header: Header, modality: str) -> str | None:
    """Return the view by position, else by code, else by the patient orientation of a radiograph."""
    stated = header.text("ViewPosition").upper()
    if stated in _FRONTAL:
        return "frontal"
    if stated in _LATERAL:
        return "lateral"
    if stated in _OTHER_VIEWS:
        return stated
    for item in header.items("ViewCodeSequence"):
        if view := _VIEW_CODES.get(item.text("CodeValue")):
            return view
    return _view_by_orientation(header.texts("PatientOrientation")) if modality in PROJECTION else None


def _view_by_orientation(axes: list[str]) -> str | None:
    r"""Return the view by the directions of rows and columns, such as "L\F" or "A\F".

    Source: DICOM PS3.3 C.7.6.1.1.1.
    """
    letters = {axis[:1].upper() for axis in axes}
    if len(axes) != 2 or not letters & {"H", "F"}:
        return None
    if letters & {"L", "R"}:
        return "frontal"
    return "lateral" if letters & {"A", "P"} else None
