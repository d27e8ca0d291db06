"""The result of a study, and the row of the results that it becomes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """The result of a study.

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
class Row:
    """One row of the results: a study, or a file that is not part of one.

    ``id`` is the path of its first file relative to the scored folder; ``count`` is the number of its files; ``uid`` is
    its UID or the pseudonym of it, "" for a file without a UID.
    """

    id: str
    count: int
    uid: str
    entry: Entry

    @property
    def file(self) -> str:
        """The ID as text without undecodable bytes, for the tables."""
        return name_as_text(os.fsencode(self.id))


def name_as_text(name: bytes) -> str:
    r"""Return a file name as text; bytes that are not UTF-8 become ``\xNN``."""
    return name.decode("utf-8", "backslashreplace")
