"""Record which studies a model learned from, so that it is not tested on them.

The marks are hashes; they contain no name, no number and no path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from medad.files import file_digest, write_text
from medad.io.file_parts import slice_of
from medad.types import Study

FILE = "studies.txt"
_content = cache(file_digest)  # one file may hold many studies


def write_marks(folder: Path, studies: Iterable[Study], dataset: str, pixels: Iterable[str] = ()) -> None:
    """Write the marks of ``studies`` to ``folder``/studies.txt.

    ``pixels`` are digests of the studies' decoded images, which recognize an image in any file format.
    """
    lines = sorted(
        {mark for study in studies for mark in marks(study, dataset)} | {_short(digest) for digest in pixels}
    )
    write_text(folder / FILE, "".join(f"{line}\n" for line in lines))


def seen_pixels(folder: Path, pixels: Iterable[str]) -> int:
    """Return how many of the images with these digests the model in ``folder`` has learned from, under any name."""
    if not (folder / FILE).is_file():
        return 0
    stored_marks = set((folder / FILE).read_text(encoding="ascii").split())
    return sum(_short(digest) in stored_marks for digest in pixels)


def seen(folder: Path, studies: Iterable[Study], dataset: str) -> list[Study]:
    """Return those of ``studies`` that the model in ``folder`` has learned from, or whose patients it has."""
    if not (folder / FILE).is_file():
        return []
    stored_marks = set((folder / FILE).read_text(encoding="ascii").split())
    return [study for study in studies if stored_marks.intersection(marks(study, dataset))]


def marks(study: Study, dataset: str) -> list[str]:
    """Return the mark of the study's first file and, if the patient is known, that of the patient.

    ``dataset`` is part of the patient's mark, since patient numbers are unique only within a data set.
    """
    path, index = slice_of(study.files[0])
    digests = [_short(f"{_content(path)} {index}")]
    return digests if study.patient is None else [*digests, _short(f"{dataset} {study.patient}")]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
