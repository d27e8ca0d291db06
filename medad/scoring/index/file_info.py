"""What is known of a file before its pixels are read, in a form that the ledger keeps.

No UID and no tag is kept as it is stated, unless UIDs were asked for. Of a UID there is the pseudonym that the table
shows too; everything else is in hashes with the secret of a session, which is never written (see medad/ledger.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medad.io.dicom.acquisition import OF_A_DAY, TIMES
from medad.io.dicom.copies import content_of
from medad.io.dicom.geometry import Plane
from medad.io.dicom.slice import Slice
from medad.io.discovery import Single, look
from medad.io.errors import UnreadableImage
from medad.scoring.index.ledger import EQUAL_BYTES, TRANSIENT
from medad.scoring.index.stamps import CHANGED, Stamp, beside, digest, is_recent, pixels_beside, stamp_of
from medad.scoring.results import pseudonym
from medad.types import Skipped

_SHORT = 12  # hexadecimal digits that tell the values of an element within one series apart


@dataclass(frozen=True)
class Session:
    """The hashes of one process: ``name`` is written beside them, the ``secret`` is not."""

    name: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


@dataclass(frozen=True)
class Looked:
    """``look`` is image, slice (of ``series``, at ``place``), skipped or failed; copies have the same ``instance``.

    ``uid`` is that of the series or image, or its pseudonym; ``parts`` how many volumes or pages are to be scored.
    ``stamp`` is of the moment; ``mark`` goes along with it; ``again``: it has to be looked into in the next run as
    well, for its stamp alone does not show every change.
    """

    path: Path
    look: str
    reason: str = ""
    instance: str | None = None
    series: str | None = None
    place: str | None = None
    uid: str = ""
    parts: int = 1
    kind: str = ""
    stamp: Stamp | None = None
    mark: str = ""
    again: bool = False


def look_into(path: Path, uids: bool, session: Session, content: bool = False) -> Looked:
    """What one file is; it never raises for what a file holds. ``content``: digest its content in any case.

    A file that changes meanwhile has failed, to be looked into by the next run.
    """
    try:
        stamp = stamp_of(path)
        looked = _looked(path, uids, session.secret)
        pixels = pixels_beside(path) if looked.look == "image" and not looked.uid else None
        mark = beside(pixels) if pixels else ""
        recent = is_recent(stamp)
        if (recent or content) and looked.kind not in TRANSIENT:
            mark += f"#{digest(path)}"
        if stamp_of(path) != stamp:
            return Looked(path, "failed", CHANGED, kind="changed", again=True)
    except (OSError, UnreadableImage):
        return Looked(path, "failed", CHANGED, kind="changed", again=True)
    again = recent or pixels is not None or looked.kind in TRANSIENT
    return replace(looked, stamp=stamp, mark=mark, again=again)


def _looked(path: Path, uids: bool, secret: bytes) -> Looked:
    found = look(path)
    if isinstance(found, Skipped):
        return Looked(path, "skipped", found.reason, kind=found.kind)
    if isinstance(found, UnreadableImage):
        return Looked(path, "failed", explained(found), kind=found.kind)
    if isinstance(found, Single):
        return Looked(path, "image")
    instance = _hash(secret, found.instance, found.patient) if found.instance else None
    if found.plane is None:
        return Looked(path, "image", instance=instance, uid=_shown(found.instance, uids))
    series = _hash(secret, found.series, found.patient)
    return Looked(path, "slice", "", instance, series, _place(found, secret), _shown(found.series, uids))


def explained(error: UnreadableImage) -> str:
    """The reason of a row."""
    return f"{error.reason} ({error.kind}); {error.remedy}"


def digest_of(path: Path, pixels: bool = False) -> str | None:
    """A digest of a file's content, for copies have equal ones; None where it cannot be opened now.

    That of a header whose pixels lie beside it is of its name: the pixels are what makes two images alike. ``pixels``:
    of what a DICOM file shows.
    """
    try:
        with path.open("rb"):
            pass
    except OSError:
        return None
    if pixels:
        return content_of(path)
    if pixels_beside(path):
        return "name " + _hash(os.fsencode(path))
    try:
        return EQUAL_BYTES + digest(path)
    except UnreadableImage:
        return None


def slice_of(path: Path, place: str, content: str | None) -> Slice:
    """A slice as the ledger keeps it: its series is of one patient, who is not kept."""
    kept = json.loads(place)
    position, across, down, spacing, thickness = kept["plane"]
    plane = Plane(np.array(position), np.array(across), np.array(down), (spacing[0], spacing[1]), thickness)
    alike, marks, times = (tuple(kept[name]) for name in ("alike", "marks", "times"))
    return Slice(path, "", kept["instance"], None, plane, alike, marks, times, kept["between"], content or "")


def _place(one: Slice, secret: bytes) -> str:
    plane = one.plane
    if plane is None:
        raise ValueError("an image of its own has no place in a series")
    numbers = [plane.position.tolist(), plane.across.tolist(), plane.down.tolist(), plane.spacing, plane.thickness]
    own = secret, one.series, one.patient  # they are compared within their series only
    kept = {
        "plane": numbers,
        "instance": _hash(*own, one.instance) if one.instance else "",
        "alike": [_hash(*own, name)[:_SHORT] if name else "" for name in one.alike],
        "marks": [_hash(*own, mark)[:_SHORT] if mark else "" for mark in one.marks],
        "times": _shifted(one, secret),
        "between": one.between,
    }
    return json.dumps(kept)


def _shifted(one: Slice, secret: bytes) -> list[float | None]:
    """The times of a slice; those of a day are moved by up to ten years, the same for all slices of its series, so that
    their order can be compared and no day or hour is kept."""
    shift = int(_hash("shift", secret, one.series, one.patient)[:12], 16) % (3650 * 86_400)
    return [
        round(time + shift, 3) if time is not None and name in OF_A_DAY else time
        for name, time in zip(TIMES, one.times, strict=True)
    ]


def _shown(uid: str, uids: bool) -> str:
    return uid if uids or not uid else pseudonym(uid)


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
