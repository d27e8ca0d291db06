"""The jobs of a worker process, and their results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from medad.scoring.core.entries import Entry, Pixels
from medad.scoring.index.file_info import Looked
from medad.types import Study

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """Find out what the files ``paths`` are; ``content``: digest their content in any case."""

    paths: tuple[Path, ...]
    content: bool = False
    repeatable: ClassVar[bool] = True

    @property
    def count(self) -> int:
        """The number of files that the job reads."""
        return len(self.paths)

    def parts(self) -> list[Look]:
        """Return a job for each file."""
        return [replace(self, paths=(path,)) for path in self.paths]


@dataclass(frozen=True)
class Digest:
    """Digest a file, to find copies of it: its bytes, or with ``pixels`` the image that a DICOM file shows."""

    path: Path
    pixels: bool = False
    count: ClassVar[int] = 1
    repeatable: ClassVar[bool] = True

    def parts(self) -> list[Digest]:
        """Return the job itself: it cannot be divided."""
        return [self]


@dataclass(frozen=True)
class _StudyJob:
    """A job on the files of one study."""

    study: Study

    @property
    def count(self) -> int:
        """The number of files that the job reads."""
        return len(self.study.files)

    def parts(self) -> list[Self]:
        """Return the job itself: it cannot be divided."""
        return [self]


@dataclass(frozen=True)
class Read(_StudyJob):
    """Read a study for the network."""

    repeatable: ClassVar[bool] = True


@dataclass(frozen=True)
class Draw(_StudyJob):
    """Draw the pictures of a study.

    ``maps`` (N, 1, S, S) are its anomaly maps, and ``worst`` is the index of the slice with the highest score.
    ``heatmap``: draw the map on the source as well. ``preview`` (h, w) is the gray image for the thumbnail, given if
    another process has read the study.
    """

    maps: Pixels
    worst: int
    heatmap: bool
    preview: Bytes | None = None
    repeatable: ClassVar[bool] = False  # two workers would write to the same file


@dataclass(frozen=True)
class Ready:
    """A study prepared for the network, after ``seconds`` of work.

    ``slices`` (N, C, S, S) is the network's input. ``preview`` (N, h, w) are the gray images for thumbnails, given if
    another process draws the study.
    """

    slices: Pixels
    seconds: float
    preview: Bytes | None = None


Job = Look | Digest | Read | Draw
Done = list[Looked] | str | None | Ready | Entry
