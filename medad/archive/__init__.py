"""Judge the archive that a model learned from: how many of its studies are abnormal, and which to look at first."""

from __future__ import annotations

from medad.archive.judged import ArchiveError, Judged, judge_archive
from medad.archive.ranking import Ranking, rank
from medad.archive.writing import write_archive

__all__ = ["ArchiveError", "Judged", "Ranking", "judge_archive", "rank", "write_archive"]
