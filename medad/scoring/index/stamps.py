"""Whether a file is still what it was, without reading it: its size, and the times of its last change.

The time of the last change of content can be set by anybody (``cp -p``, ``rsync -t``); that of the last change of the
entry is set by the system with every write, and is compared as well. A clock of a file system may stand still for
seconds: so where a file was written just before it was looked into, a digest of its content goes along, and the next
run compares that once.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from medad.io.errors import UnreadableImage, guarded
from medad.io.file_parts import part_of
from medad.io.formats import HEAD, sniff
from medad.types import Study

Stamp = tuple[int, int, int]  # size in bytes, last change of the content and of the entry in ns
RECENT = 3 * 10**9  # ns: the coarsest clock in use (FAT) has steps of two seconds
CHANGED = "it changed while it was read (changed); give the same command again once it is at rest"
_WHOLE = 2**28  # bytes of a file that a digest covers; of a larger one, its two ends
_HEADER = 64 * HEAD  # what is searched of a text header
_DETACHED = re.compile(
    rb"^\s*(?:data ?file|ElementDataFile)\s*[:=]=?\s*(?!local\b)(\S[^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True)
class IndexedStudy(Study):
    """A study of a scored folder; ``stamp`` joins those of its files, in order, by semicolons."""

    stamp: str = ""


def stamp_of(path: Path) -> Stamp:
    """Raises OSError if the file cannot be asked."""
    info = part_of(path)[0].stat()
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns


def written(stamp: Stamp) -> str:
    """A stamp as the ledger holds it."""
    return ":".join(map(str, stamp))


def is_recent(stamp: Stamp) -> bool:
    """Whether the file may still change without a trace in its stamp."""
    return time.time_ns() - stamp[2] < RECENT


def pixels_beside(path: Path) -> Path | None:
    """The file that holds the pixels of a header, if ``path`` is the header of a pair: NIfTI with .img, NRRD or
    MetaImage with any file that it names."""
    try:
        with guarded(path), path.open("rb") as file:
            start = file.read(_HEADER)
    except UnreadableImage:
        return None
    form = sniff(start[:HEAD])
    if form == "nifti" and b"ni" in (start[344:346], start[4:6]):
        return path.with_suffix(".img")
    if form == "itk" and (name := _DETACHED.search(start)):
        return path.parent / Path(name[1].decode("utf-8", "surrogateescape").strip()).name
    return None


def beside(pixels: Path) -> str:
    """The stamp of the second half of a pair, to go along with that of the first."""
    try:
        return f"&{written(stamp_of(pixels))}"
    except OSError:
        return "&"


def digest(path: Path) -> str:
    """A digest of a file's content, or of its two ends where it is very large.

    Raises:
        UnreadableImage: it cannot be read.
    """
    with guarded(path), path.open("rb") as file:
        size = path.stat().st_size
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        ends = hashlib.sha256(file.read(_WHOLE // 2))
        file.seek(-_WHOLE // 2, 2)
        ends.update(file.read(_WHOLE // 2))
        return ends.hexdigest()[:32]


def unchanged(study: Study) -> bool:
    """Whether the files of a study are what they were when they were looked into; True if nobody looked."""
    if not isinstance(study, IndexedStudy):
        return True
    return all(_is_still(path, mark) for path, mark in zip(study.files, study.stamp.split(";"), strict=True))


def _is_still(path: Path, mark: str) -> bool:
    before = mark.partition("#")[0]
    try:
        now = written(stamp_of(path))
    except OSError:
        return False
    if "&" in before and (pixels := pixels_beside(part_of(path)[0])):
        now += beside(pixels)
    return now == before
