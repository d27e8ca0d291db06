"""Find copies of a slice within its series by content, since a SOP Instance UID alone does not make a copy.

Careless anonymizers leave one UID on all slices of a series, and archives hold one slice twice with headers that
differ. A copy therefore has the same UID, the same place and the same pixels.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from medad.io.core.errors import UnreadableImage, guarded
from medad.io.core.folder import Mapped, relative
from medad.io.core.settings import ReadSettings
from medad.io.dicom.acquisition import ACQUISITION
from medad.io.dicom.slice import Slice, plane_of_slice
from medad.types import Skipped

_BROKEN = "broken "
# Elements that an export may rewrite in a true copy.
_REWRITTEN = frozenset(("ImageType", "SeriesNumber", "SeriesDescription"))
_FIXED = tuple(index for index, name in enumerate(ACQUISITION) if name not in _REWRITTEN)

Place = tuple[str, tuple[float, ...]]


def content_of(path: Path) -> str:
    """Return a digest of the pixels of a DICOM file: their shape and values, however they are compressed.

    For a file that cannot be read, return a digest of its bytes, and the reason; see :func:`broken`.
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
    """Return the content that stands for a file that cannot be read."""
    return f"{_BROKEN}{digest} {reason}"


def with_contents(slices: Sequence[Slice], mapped: Mapped = map) -> list[Slice]:
    """Return the slices of a series with ``content`` set where UID and place alone do not rule out copies.

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
    """Yield the slices of a series in the order of their paths; a copy is yielded as ``Skipped``.

    A file with the UID and the place of another slice and other pixels is yielded as an error, since one of the two
    headers is wrong. Of a readable and a broken file the readable one is used.
    """
    uids = Counter(image.instance for image in slices)
    taken: dict[Place, list[Slice]] = defaultdict(list)
    broken_last = sorted(slices, key=lambda image: (image.content.startswith(_BROKEN), image.path.as_posix()))
    for image in broken_last:
        rivals = taken[_place(image)] if image.instance and uids[image.instance] > 1 else []
        rival = next((earlier for earlier in rivals if _may_be_copies(image, earlier)), None)
        if rival is None:
            rivals.append(image)
            yield image
        elif image.content and image.content == rival.content:
            reason = f"it is another copy of an instance of the same series, {_printable_name(rival.path, root)}"
            yield Skipped(image.path, "duplicate", reason)
        else:
            yield _contradiction_error(image, _printable_name(rival.path, root))


def _contradiction_error(image: Slice, rival_name: str) -> UnreadableImage:
    """Return the error for a slice that has the UID and the place of another slice and other pixels."""
    if image.content.startswith(_BROKEN):
        reason = image.content.split(" ", 2)[2]
        return UnreadableImage(image.path, "broken-copy", reason, f"leave it out: {rival_name} is the same instance")
    reason = f"it bears the SOP Instance UID of {rival_name} and lies at its place, but shows something else"
    return UnreadableImage(image.path, "same-uid", reason, "have both exported again, each with a UID of its own")


def _may_be_copies(first: Slice, second: Slice) -> bool:
    """Return whether no element states that two slices belong to different acquisitions."""
    pairs = [(first.marks[at], second.marks[at]) for at in _FIXED if first.marks and second.marks]
    # The last time is ContentTime, which an export may rewrite.
    times = zip(first.times[:-1], second.times[:-1], strict=True)
    return not any(a and b and a != b for a, b in pairs) and not any(
        a is not None and b is not None and abs(a - b) > 1e-3 for a, b in times
    )


def _place(image: Slice) -> Place:
    """Return the UID of a slice with its rounded position and directions."""
    plane = plane_of_slice(image)
    numbers = (*plane.position.tolist(), *plane.across.tolist(), *plane.down.tolist())
    return image.instance, tuple(round(number, 2) + 0.0 for number in numbers)


def _printable_name(path: Path, root: Path) -> str:
    """Return the path relative to ``root`` as valid text."""
    return os.fsencode(relative(path, root)).decode("utf-8", "backslashreplace")
