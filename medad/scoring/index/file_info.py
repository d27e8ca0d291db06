"""Find out what a file is before its pixels are read, in the form that the ledger stores.

No UID and no tag is stored in plain text, unless the user asked for UIDs. A UID is stored as the pseudonym that the
table shows too; all other values are hashed with the secret of a session, which is never written (see ``ledger.py``).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.dicom.acquisition import OF_A_DAY, TIMES
from medad.io.dicom.copies import content_of
from medad.io.dicom.geometry import Plane
from medad.io.dicom.slice import Slice
from medad.io.discovery import Single, look
from medad.scoring.core.identifiers import NOT_DICOM, Identifiers, Level
from medad.scoring.index.schema import EQUAL_BYTES, TRANSIENT
from medad.scoring.index.stamps import CHANGED, Stamp, beside, digest, is_recent, pixels_beside, stamp_of
from medad.types import Skipped

_SHORT = 12  # hexadecimal digits: enough to distinguish the values of an element within one series


@dataclass(frozen=True)
class Session:
    """The hash key of one process: ``name`` is stored with the hashes, ``secret`` is never written."""

    name: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


@dataclass(frozen=True)
class Looked:
    """What a file is.

    ``look`` is "image", "slice" (of ``series``, at ``place``), "skipped" or "failed". Copies have equal ``instance``.
    ``level`` says what the file, or a part of it, is in DICOM; ``identifiers`` are its UIDs or their pseudonyms;
    ``parts`` is the number of volumes or pages to score.
    ``stamp`` was taken when the file was looked into, and ``mark`` completes it. ``again``: the next run must look into
    the file again, since the stamp alone does not show every change.
    """

    path: Path
    look: str
    reason: str = ""
    instance: str | None = None
    series: str | None = None
    place: str | None = None
    level: Level = "file"
    identifiers: Identifiers = NOT_DICOM
    parts: int = 1
    kind: str = ""
    stamp: Stamp | None = None
    mark: str = ""
    again: bool = False

    def values(self) -> dict[str, str | int | None]:
        """Return the values of the columns of the ledger's table ``files`` that a look enters, by their names."""
        size, mtime, ctime = self.stamp or (None, None, None)
        return {
            **{"look": self.look, "reason": self.reason, "kind": self.kind, "level": self.level},
            **{"instance": self.instance, "series": self.series, "place": self.place},
            **{f"{name}_uid": uid for name, uid in asdict(self.identifiers).items()},
            **{"size": size, "mtime": mtime, "ctime": ctime, "mark": self.mark, "again": self.again},
        }


def look_into(path: Path, uids: bool, session: Session, content: bool = False) -> Looked:
    """Return what the file at ``path`` is; no content of a file makes it raise.

    ``uids``: return UIDs in place of pseudonyms. ``content``: digest the content in any case. A file that changes
    meanwhile has failed, and is looked into again by the next run.
    """
    try:
        stamp = stamp_of(path)
        looked = _looked(path, uids, session.secret)
        pixels = pixels_beside(path) if looked.look == "image" and looked.level == "file" else None
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
    """Return what the file is, without its stamp."""
    item = look(path)
    if isinstance(item, Skipped):
        return Looked(path, "skipped", item.reason, kind=item.kind)
    if isinstance(item, UnreadableImage):
        return Looked(path, "failed", explained(item), kind=item.kind)
    if isinstance(item, Single):
        return Looked(path, "image")
    stated = Identifiers(item.study, item.series, item.instance)
    identifiers = stated if uids else stated.pseudonyms()
    instance = _hash(secret, item.instance, item.patient) if item.instance else None
    if item.plane is None:
        return Looked(path, "image", instance=instance, level="instance", identifiers=identifiers)
    series = _hash(secret, item.series, item.patient)
    return Looked(path, "slice", "", instance, series, _place(item, secret), "instance", identifiers)


def explained(error: UnreadableImage) -> str:
    """Return the reason of a row that failed with ``error``."""
    return f"{error.reason} ({error.kind}); {error.remedy}"


def digest_of(path: Path, pixels: bool = False) -> str | None:
    """Return a digest of a file's content, which is equal for copies; None if the file cannot be opened now.

    For a header with its pixels in a second file the digest is that of its path, so that two equal headers do not count
    as copies. ``pixels``: return the digest of the image that a DICOM file shows.
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
    """Return the slice at ``path`` from its ``place`` in the ledger, which leaves out the series and the patient."""
    fields = json.loads(place)
    position, across, down, spacing, thickness = fields["plane"]
    plane = Plane(np.array(position), np.array(across), np.array(down), (spacing[0], spacing[1]), thickness)
    shared, marks, times = (tuple(fields[name]) for name in ("alike", "marks", "times"))
    return Slice(path, "", fields["instance"], None, plane, shared, marks, times, fields["between"], content or "")


def _place(slice_: Slice, secret: bytes) -> str:
    """Return the position of a slice and the hashes of its tags, as JSON for :func:`slice_of`.

    Raises:
        ValueError: it is not a slice of a series.
    """
    plane = slice_.plane
    if plane is None:
        raise ValueError("an image of its own has no place in a series")
    numbers = [plane.position.tolist(), plane.across.tolist(), plane.down.tolist(), plane.spacing, plane.thickness]
    key = secret, slice_.series, slice_.patient  # hashes are compared within slice_ series only
    fields = {
        "plane": numbers,
        "instance": _hash(*key, slice_.instance) if slice_.instance else "",
        "alike": [_hash(*key, name)[:_SHORT] if name else "" for name in slice_.alike],
        "marks": [_hash(*key, mark)[:_SHORT] if mark else "" for mark in slice_.marks],
        "times": _shifted(slice_, secret),
        "between": slice_.between,
    }
    return json.dumps(fields)


def _shifted(slice_: Slice, secret: bytes) -> list[float | None]:
    """Return the times of a slice in s; dates and times of day are shifted by up to ten years.

    The shift is the same for all slices of a series: their order stays, and no date or hour is stored.
    """
    shift = int(_hash("shift", secret, slice_.series, slice_.patient)[:12], 16) % (3650 * 86_400)
    return [
        round(time + shift, 3) if time is not None and name in OF_A_DAY else time
        for name, time in zip(TIMES, slice_.times, strict=True)
    ]


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
