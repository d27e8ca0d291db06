"""The result of a case, and the row of the results that it becomes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medad.scoring.core.identifiers import NOT_DICOM, Identifiers, Level

Pixels = NDArray[np.float32]  # the slices (N, C, S, S) of a case on the network's grid, in [-1, 1]


@dataclass(frozen=True)
class Entry:
    """The result of a case.

    ``status`` is "scored", "skipped" or "failed"; ``scores`` has a value for each name; ``heatmap`` is a path relative
    to the output folder; ``facts`` holds further values as plain JSON; ``seconds`` is the duration of the work, the
    only value that differs between equal runs; ``kind`` is the category of the reason, on which later steps depend.
    """

    status: str
    reason: str = ""
    slices: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    heatmap: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    kind: str = ""


@dataclass(frozen=True)
class CaseRow:
    """One row of the results: a case, or a file that is none.

    ``id`` is the path of its first file relative to the scored folder; ``count`` is the number of its files;
    ``identifiers`` are UIDs if the user asked for them, else pseudonyms.
    """

    id: str
    count: int
    entry: Entry
    level: Level = "file"
    identifiers: Identifiers = NOT_DICOM

    @property
    def file(self) -> str:
        """The ID as text without undecodable bytes, for the tables."""
        return name_as_text(os.fsencode(self.id))


def name_as_text(name: bytes) -> str:
    r"""Return a file name as text; bytes that are not UTF-8 become ``\xNN``."""
    return name.decode("utf-8", "backslashreplace")
