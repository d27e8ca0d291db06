"""Copies of a slice within its series. A SOP Instance UID alone makes no copy: the content decides.

Careless anonymizers leave one UID on all slices of a series, and archives hold one slice twice with headers that
differ. So a copy bears the same UID, lies at the same place, and holds the same pixels.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medad.io.dicom.acquisition import ACQUISITION
from medad.io.dicom.slice import Slice, plane_of_slice
from medad.io.discovery import Mapped, relative
from medad.io.errors import UnreadableImage, guarded
from medad.io.settings import ReadSettings
from medad.types import Skipped

_BROKEN = "broken "
# What an export may rewrite in a true copy.
_REWRITTEN = frozenset(("ImageType", "SeriesNumber", "SeriesDescription"))
_FIXED = tuple(index for index, name in enumerate(ACQUISITION) if name not in _REWRITTEN)

Place = tuple[str, tuple[float, ...]]


def content_of(path: Path) -> str:
    """A digest of what a DICOM file shows: the size and the values of its pixels, however they are compressed.

    Of a file that cannot be read, a digest of its bytes, and the reason.
    """
    from medad.io.dicom.read_dicom import read_dicom

    try:
        with guarded(path):
            array = read_dicom([path], ReadSettings()).array
            return "pixels " + hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()[:32]
    except UnreadableImage as error:
        try:
            with guarded(path), path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        except UnreadableImage:
            digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
        return broken(digest, f"{error.reason} ({error.kind})")


def broken(digest: str, reason: str) -> str:
    """The content of a file that cannot be read."""
    return f"{_BROKEN}{digest} {reason}"


def with_contents(slices: Sequence[Slice], mapped: Mapped = map) -> list[Slice]:
    """The slices of a series, with their contents where UID and place leave open whether they are copies.

    ``mapped`` applies :func:`content_of` to their paths, perhaps in other processes.
    """
    uids = Counter(image.instance for image in slices)
    places = Counter(_place(image) for image in slices if uids[image.instance] > 1)
    undecided = [
        image.path for image in slices if image.instance and uids[image.instance] > 1 and places[_place(image)] > 1
    ]
    contents = dict(zip(undecided, mapped(content_of, undecided), strict=True))
    return [replace(image, content=contents.get(image.path, "")) for image in slices]


def without_copies(slices: Sequence[Slice], root: Path) -> Iterator[Slice | Skipped | UnreadableImage]:
    """The slices of a series in the order of their paths; a copy of one of them is skipped.

    A file that bears the UID of another slice, lies at its place, and shows something else is an error: one of them is
    not what it says. Of a readable and a broken file the readable one counts.
    """
    uids = Counter(image.instance for image in slices)
    taken: dict[Place, list[Slice]] = defaultdict(list)
    broken_last = sorted(slices, key=lambda image: (image.content.startswith(_BROKEN), image.path.as_posix()))
    for image in broken_last:
        rivals = taken[_place(image)] if image.instance and uids[image.instance] > 1 else []
        rival = next((other for other in rivals if _agree(image, other)), None)
        if rival is None:
            rivals.append(image)
            yield image
        elif image.content and image.content == rival.content:
            reason = f"it is another copy of an instance of the same series, {_name(rival.path, root)}"
            yield Skipped(image.path, "duplicate", reason)
        else:
            yield _contradiction(image, _name(rival.path, root))


def _contradiction(image: Slice, other: str) -> UnreadableImage:
    if image.content.startswith(_BROKEN):
        reason = image.content.split(" ", 2)[2]
        return UnreadableImage(image.path, "broken-copy", reason, f"leave it out: {other} is the same instance")
    reason = f"it bears the SOP Instance UID of {other} and lies at its place, but shows something else"
    return UnreadableImage(image.path, "same-uid", reason, "have both exported again, each with a UID of its own")


def _agree(one: Slice, other: Slice) -> bool:
    """Whether no element says that these are two acquisitions."""
    pairs = [(one.marks[at], other.marks[at]) for at in _FIXED if one.marks and other.marks]
    times = zip(one.times[:-1], other.times[:-1], strict=True)  # the last is ContentTime, which an export may rewrite
    return not any(a and b and a != b for a, b in pairs) and not any(
        a is not None and b is not None and abs(a - b) > 1e-3 for a, b in times
    )


def _place(image: Slice) -> Place:
    plane = plane_of_slice(image)
    numbers = (*plane.position.tolist(), *plane.across.tolist(), *plane.down.tolist())
    return image.instance, tuple(round(number, 2) + 0.0 for number in numbers)


def _name(path: Path, root: Path) -> str:
    return os.fsencode(relative(path, root)).decode("utf-8", "backslashreplace")
