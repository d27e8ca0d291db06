"""Have the pool look into new files, and enter the results into the index."""

from __future__ import annotations

import os
from itertools import chain

from medad.io.dicom.copies import broken
from medad.io.pool import Pool
from medad.io.pool_jobs import Outcome
from medad.parallel import Lost
from medad.progress import progress
from medad.scoring.engine.jobs import Digest, Job, Look
from medad.scoring.index.file_info import Looked
from medad.scoring.index.studies import Index


class FileLook:
    """Looks into the files of ``index`` with the workers of ``pool``."""

    def __init__(self, index: Index, pool: Pool[Job]) -> None:
        self.index, self.pool = index, pool

    def all(self) -> None:
        """Look into files until none is new, and digest those that may be copies.

        Slow files stay with the pool: their outcomes come later, and are to be passed to :meth:`enter`.
        """
        more = True
        while more:
            with progress("look into files", self.index.unlooked()) as advance:
                looks = (Look(paths, content) for paths, content in self.index.unseen())
                for outcome in self.pool.each(looks, leave_slow=True):
                    self.enter([outcome])
                    advance(outcome.job.count)
            more = self.index.forget_other_sessions()
        by_bytes = (Digest(path) for path in self.index.look_alikes())
        by_pixels = (Digest(path, pixels=True) for path in self.index.same_uid())
        for outcome in chain(self.pool.each(by_bytes, leave_slow=True), self.pool.each(by_pixels, leave_slow=True)):
            self.enter([outcome])

    def enter(self, outcomes: list[Outcome[Job]]) -> None:
        """Enter the outcomes of looks and digests into the index; other outcomes are ignored."""
        for outcome in outcomes:
            if isinstance(outcome.job, Look):
                self.index.looked(_file_infos(outcome.job, outcome.result))
            elif isinstance(outcome.job, Digest):
                self.index.digested(outcome.job.path, _digest(outcome.job, outcome.result))


def _digest(job: Digest, result: object) -> str | None:
    """Return the digest of a file; None if it cannot be opened now.

    A file on which every worker died gets a digest that equals no other.
    """
    if not isinstance(result, Lost):
        return result if isinstance(result, str) else None
    name = os.fsencode(job.path).hex()
    return broken(name, result.reason) if job.pixels else f"lost {name}"


def _file_infos(job: Look, result: object) -> list[Looked]:
    """Return what is known of the files of a look; a file on which every worker died has failed."""
    if isinstance(result, Lost):
        return [Looked(path, "failed", result.reason, kind="lost") for path in job.paths]
    return result if isinstance(result, list) else []
