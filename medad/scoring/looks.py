"""What is known of a file before its pixels are read, in a form that the ledger keeps. No UID and no tag is kept as it
is stated, only hashes of them, unless UIDs were asked for."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medad.io.dicom_copies import content_of
from medad.io.dicom_geometry import Plane
from medad.io.dicom_marks import OF_A_DAY, TIMES
from medad.io.dicom_slice import Slice
from medad.io.discovery import Single, look
from medad.io.errors import UnreadableImage, guarded
from medad.io.formats import HEAD, sniff
from medad.scoring.results import pseudonym
from medad.types import Skipped

_SHORT = 12  # hexadecimal digits that tell the values of an element within one series apart
_HEADER = 64 * HEAD  # what is searched of a text header
_DETACHED = re.compile(rb"^\s*(?:data ?file|ElementDataFile)\s*[:=]=?\s*(?!local\b)\S", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Looked:
    """``look`` is image, slice (of ``series``, at ``place``), skipped or failed; copies have the same ``instance``.
    ``uid`` is that of the series or image, or its pseudonym; ``parts`` how many volumes or pages are to be scored."""

    path: Path
    look: str
    reason: str = ""
    instance: str | None = None
    series: str | None = None
    place: str | None = None
    uid: str = ""
    parts: int = 1


def look_into(path: Path, uids: bool) -> Looked:
    """What one file is; it never raises for what a file holds."""
    found = look(path)
    if isinstance(found, Skipped):
        return Looked(path, "skipped", found.reason)
    if isinstance(found, UnreadableImage):
        return Looked(path, "failed", explained(found))
    if isinstance(found, Single):
        return Looked(path, "image")
    instance = _hash(found.instance, found.patient) if found.instance else None
    if found.plane is None:
        return Looked(path, "image", instance=instance, uid=_shown(found.instance, uids))
    series = _hash(found.series, found.patient)
    return Looked(path, "slice", "", instance, series, _place(found), _shown(found.series, uids))


def explained(error: UnreadableImage) -> str:
    """The reason of a row."""
    return f"{error.reason} ({error.kind}); {error.remedy}"


def digest_of(path: Path, pixels: bool = False) -> str:
    """A digest of a file's content; of its name, so that it is like no other, where it cannot be read or is only a
    header: the pixels beside it are what makes two images alike. ``pixels``: of what a DICOM file shows."""
    if pixels:
        return content_of(path)
    try:
        with guarded(path), path.open("rb") as file:
            if not _without_pixels(file.read(_HEADER)):
                file.seek(0)
                return "content " + hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except UnreadableImage:
        pass
    return "name " + _hash(str(path))


def _without_pixels(start: bytes) -> bool:
    """Whether a file is the header of a pair: NIfTI with .img, NRRD or MetaImage with any file that it names."""
    form = sniff(start[:HEAD])
    if form == "nifti":
        return b"ni" in (start[344:346], start[4:6])
    return form == "itk" and _DETACHED.search(start) is not None


def slice_of(path: Path, place: str, content: str | None) -> Slice:
    """A slice as the ledger keeps it: its series is of one patient, who is not kept."""
    kept = json.loads(place)
    position, across, down, spacing, thickness = kept["plane"]
    plane = Plane(np.array(position), np.array(across), np.array(down), (spacing[0], spacing[1]), thickness)
    alike, marks, times = (tuple(kept[name]) for name in ("alike", "marks", "times"))
    return Slice(path, "", kept["instance"], None, plane, alike, marks, times, kept["between"], content or "")


def _place(one: Slice) -> str:
    plane = one.plane
    if plane is None:
        raise ValueError("an image of its own has no place in a series")
    numbers = [plane.position.tolist(), plane.across.tolist(), plane.down.tolist(), plane.spacing, plane.thickness]
    # They are compared within their series only. A hash of an hour or a number alone is found by trying them all.
    own = one.series, one.patient
    kept = {
        "plane": numbers,
        "instance": _hash(*own, one.instance) if one.instance else "",
        "alike": [_hash(*own, name)[:_SHORT] if name else "" for name in one.alike],
        "marks": [_hash(*own, mark)[:_SHORT] if mark else "" for mark in one.marks],
        "times": _shifted(one),
        "between": one.between,
    }
    return json.dumps(kept)


def _shifted(one: Slice) -> list[float | None]:
    """The times of a slice; those of a day are moved by up to ten years, the same for all slices of its series, so that
    their order can be compared and no day or hour is kept."""
    shift = int(_hash("shift", one.series, one.patient)[:12], 16) % (3650 * 86_400)
    return [
        round(time + shift, 3) if time is not None and name in OF_A_DAY else time
        for name, time in zip(TIMES, one.times, strict=True)
    ]


def _shown(uid: str, uids: bool) -> str:
    return uid if uids or not uid else pseudonym(uid)


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
