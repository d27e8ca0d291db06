"""Reading what `inspect` shows in worker processes: a file that hangs or crashes its decoder costs that file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from medad.io.discovery import discover, look
from medad.io.errors import UnreadableImage
from medad.io.inspection import Judge, Row, row_of
from medad.io.pool import Pool
from medad.io.pool_jobs import Lost
from medad.io.settings import ReadSettings
from medad.types import Study

TIMEOUT = 60.0
_LOST = "leave it out, or export the study from its source again"


@dataclass(frozen=True)
class _Job:
    """A job that has no parts, and may be done twice."""

    repeatable: ClassVar[bool] = True

    def parts(self) -> list[Self]:
        """The job itself."""
        return [self]


@dataclass(frozen=True)
class _Asking(_Job):
    """Apply a function to a path."""

    function: Callable[[Path], Any]
    path: Path
    count: ClassVar[int] = 1


@dataclass(frozen=True)
class _Reading(_Job):
    """Read a study."""

    study: Study

    @property
    def count(self) -> int:
        """How many files it reads."""
        return len(self.study.files)


def inspected_by_workers(
    root: Path,
    settings: ReadSettings,
    judge: Judge | None = None,
    *,
    timeout: float = TIMEOUT,
    workers: int = 1,
    follow_links: bool = False,
) -> Iterator[Row]:
    """Read everything below ``root`` as it would be read for scoring; what cannot be read is a row as well.

    ``judge`` says for what was read why a model would not score it, or "". ``timeout`` seconds may pass
    for one file. The rows are in the same order with any number of ``workers``.
    """
    pool: Pool[_Asking | _Reading] = Pool(workers, partial(_worker, settings, judge), timeout)

    def mapped(function: Callable[[Path], Any], paths: Iterable[Path]) -> Iterator[Any]:
        for job, result in pool.in_order(_Asking(function, path) for path in paths):
            yield _of_lost(job, result) if isinstance(result, Lost) else result

    with closing(pool):
        found = list(discover(root, settings, follow_links=follow_links, mapped=mapped))
        rows = pool.in_order(_Reading(one) for one in found if isinstance(one, Study))
        for one in found:
            if not isinstance(one, Study):
                yield row_of(one, root, settings)
                continue
            _, result = next(rows)
            if isinstance(result, Lost):
                result = Row(one.id, "refused", "lost", len(one.files), reason=result.reason, remedy=_LOST)
            yield result


def _worker(settings: ReadSettings, judge: Judge | None) -> Callable[[_Asking | _Reading], Any]:
    def work(job: _Asking | _Reading) -> Any:
        return job.function(job.path) if isinstance(job, _Asking) else row_of(job.study, Path(), settings, judge)

    return work


def _of_lost(job: _Asking | _Reading, result: Lost) -> Any:
    """What stands for the answer of a worker that did not survive a file."""
    if isinstance(job, _Asking) and job.function is look:
        return UnreadableImage(job.path, "lost", result.reason, _LOST)
    from medad.io.dicom.copies import broken

    return broken("", result.reason)
