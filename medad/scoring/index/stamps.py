"""Stamps show whether a file has changed, without reading it: its size and the times of its last change.

Any program can set the time of the last change of content (``cp -p``, ``rsync -t``). The system sets the time of the
last change of the directory entry with every write, so that time is compared as well. The clock of a file system may be
coarse: if a file was written just before it was looked into, a digest of its content completes the stamp, and the next
run compares the digest once.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

from medad.io.core.errors import UnreadableImage, guarded
from medad.io.core.formats import HEAD, sniff
from medad.io.file_parts import part_of
from medad.types import Study

Stamp = tuple[
    int, int, int
]  # size in bytes; times of the last change of content (mtime) and of the entry (ctime) in ns
RECENT = 3 * 10**9  # ns; the coarsest clock in use (FAT) has steps of two seconds
CHANGED = "it changed while it was read (changed); give the same command again once it no longer changes"
_WHOLE = 2**28  # bytes that a digest covers; for a larger file, half of them at each end
_HEADER = 64 * HEAD  # bytes of a text header that are searched
_DETACHED = re.compile(
    rb"^\s*(?:data ?file|ElementDataFile)\s*[:=]=?\s*(?!local\b)(\S[^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True)
class IndexedStudy(Study):
    """A study of a scored folder; ``stamp`` joins the stamps of its files, in order, by semicolons."""

    stamp: str = ""


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of the file at ``path`` as it is now.

    Raises:
        OSError: the status of the file cannot be read.
    """
    info = part_of(path)[0].stat()
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns


def written(stamp: Stamp) -> str:
    """Return a stamp as text, as the ledger stores it."""
    return ":".join(map(str, stamp))


def is_recent(stamp: Stamp) -> bool:
    """Return whether the file may still change without a change of its stamp."""
    return time.time_ns() - stamp[2] < RECENT


def pixels_beside(path: Path) -> Path | None:
    """Return the file with the pixels, if ``path`` is a header of a pair of files; else None.

    The second file is that with the suffix .img for NIfTI, and the one that the header names for NRRD and MetaImage.
    """
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
    """Return the stamp of the second file of a pair, as a suffix of that of the first; "&" if it is missing."""
    try:
        return f"&{written(stamp_of(pixels))}"
    except OSError:
        return "&"


def digest(path: Path) -> str:
    """Return a digest of a file's content, or of its two ends if it is larger than 256 MiB.

    Raises:
        UnreadableImage: the file cannot be read.
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
    """Return whether the files of a study are unchanged since they were looked into; True without a stamp."""
    if not isinstance(study, IndexedStudy):
        return True
    return all(_is_still(path, mark) for path, mark in zip(study.files, study.stamp.split(";"), strict=True))


def _is_still(path: Path, mark: str) -> bool:
    """Return whether the stamp of ``path``, and of its pixel file, still equals ``mark`` without its digest."""
    before = mark.partition("#")[0]
    try:
        now = written(stamp_of(path))
    except OSError:
        return False
    if "&" in before and (pixels := pixels_beside(part_of(path)[0])):
        now += beside(pixels)
    return now == before
