"""Read the rows of ``inspect`` in worker processes: a file that hangs or crashes its decoder costs that file only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from medad.io.core.errors import UnreadableImage
from medad.io.core.settings import ReadSettings
from medad.io.discovery import discover, look
from medad.io.inspection import InspectedFile, Judge, row_of
from medad.io.pool import Pool
from medad.parallel import Lost
from medad.types import Study

TIMEOUT = 60.0
_LOST_REMEDY = "leave it out, or export the study from its source again"


@dataclass(frozen=True)
class _Job:
    """A job that has no parts and may be done twice."""

    repeatable: ClassVar[bool] = True

    def parts(self) -> list[Self]:
        """Return the job itself."""
        return [self]


@dataclass(frozen=True)
class _FileJob(_Job):
    """Call a function with a path."""

    function: Callable[[Path], Any]
    path: Path
    count: ClassVar[int] = 1


@dataclass(frozen=True)
class _StudyJob(_Job):
    """Read a study and return its row."""

    study: Study

    @property
    def count(self) -> int:
        """Return the number of files of the study."""
        return len(self.study.files)


def inspected_by_workers(
    root: Path,
    settings: ReadSettings,
    judge: Judge | None = None,
    *,
    timeout: float = TIMEOUT,
    workers: int = 1,
    follow_links: bool = False,
) -> Iterator[InspectedFile]:
    """Yield a row for every study and file below ``root``, read as for scoring, unreadable files included.

    Args:
        judge: Returns why a model would not score a picture, or "".
        timeout: Seconds allowed for one file.
        workers: Number of processes; the order of the rows does not depend on it.
        follow_links: Whether links that lead out of ``root`` are followed.
    """
    pool: Pool[_FileJob | _StudyJob] = Pool(workers, partial(_make_worker, settings, judge), timeout)

    def mapped(function: Callable[[Path], Any], paths: Iterable[Path]) -> Iterator[Any]:
        for job, result in pool.in_order(_FileJob(function, path) for path in paths):
            yield _answer_for_lost(job, result) if isinstance(result, Lost) else result

    with closing(pool):
        entries = list(discover(root, settings, follow_links=follow_links, mapped=mapped))
        rows = pool.in_order(_StudyJob(entry) for entry in entries if isinstance(entry, Study))
        for entry in entries:
            if not isinstance(entry, Study):
                yield row_of(entry, root, settings)
                continue
            _, result = next(rows)
            if isinstance(result, Lost):
                result = InspectedFile(
                    entry.id, "refused", "lost", len(entry.files), reason=result.reason, remedy=_LOST_REMEDY
                )
            yield result


def _make_worker(settings: ReadSettings, judge: Judge | None) -> Callable[[_FileJob | _StudyJob], Any]:
    """Return the function that does the jobs of a worker."""

    def work(job: _FileJob | _StudyJob) -> Any:
        return job.function(job.path) if isinstance(job, _FileJob) else row_of(job.study, Path(), settings, judge)

    return work


def _answer_for_lost(job: _FileJob | _StudyJob, result: Lost) -> Any:
    """Return the answer for a job whose worker did not survive it."""
    if isinstance(job, _FileJob) and job.function is look:
        return UnreadableImage(job.path, "lost", result.reason, _LOST_REMEDY)
    from medad.io.dicom.copies import broken

    return broken("", result.reason)
