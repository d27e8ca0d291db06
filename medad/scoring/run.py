"""The main loop of batch scoring: find files, group them into studies, then read, score and draw these."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from medad.io.pool import Pool
from medad.io.pool_jobs import Outcome
from medad.io.preload import preload
from medad.progress import Advance, progress
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.settings import FolderAway, ScoreSettings, ScoringError
from medad.scoring.engine.backend import Backend, Engine
from medad.scoring.engine.engines import Engines
from medad.scoring.engine.jobs import Job
from medad.scoring.engine.local import Drawing, Local
from medad.scoring.file_look import FileLook
from medad.scoring.index.duplicates import enter_copies, settle, waiting
from medad.scoring.index.file_info import Session
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index
from medad.scoring.pictures import Pictures
from medad.types import Study

log = logging.getLogger(__name__)
TRIED = 100  # images in a folder from which on the share of failures is checked


class ScoringRun:
    """One call of batch scoring: one scan of the folder, or with ``watch`` repeated scans until it is interrupted."""

    def __init__(
        self,
        backend: Backend,
        folder: Path,
        out: Path,
        settings: ScoreSettings,
        verdicts: Verdicts,
        ledger: Ledger,
        tables: Callable[[], None],
    ) -> None:
        self.backend, self.out, self.settings = backend, out, settings
        self.verdicts, self.ledger, self.tables = verdicts, ledger, tables
        self.session = Session()
        self.index = Index(ledger, folder, settings.watch > 0, self.session, settings.follow_links)
        self.pictures = Pictures(ledger, out)
        self.resumed = "to do" in ledger.counts()
        self.judged: Counter[str] = Counter()  # number of images by status

    def all(self) -> int:
        """Score the files of the folder, and with ``watch`` also those that arrive later.

        Return the number of rows that were kept from earlier calls.
        """
        if not self.index.run:
            self.pictures.delete_all()
        self.index.walk(self.out)  # raises FolderAway before anything has changed
        if self.settings.retry_failed:
            self.index.retry()
        if self.settings.heatmaps == "flagged":
            self.pictures.fit(self.verdicts)
        with ExitStack() as stack:
            engines = self._started(stack)
            rows_before = self._once(engines)
            while self.settings.watch:
                self.tables()
                self._wait()
                self._once(engines)
        return rows_before

    def _wait(self) -> None:
        """Wait for the next scan, and until the folder can be read: its network share may be offline for a while."""
        warned = False
        while True:
            time.sleep(self.settings.watch)
            try:
                self.index.walk(self.out)
            except FolderAway as error:
                if not warned:
                    log.warning("waiting: %s", error)
                warned = True
            else:
                return

    def _started(self, stack: ExitStack) -> Engines:
        """Start the pool of workers, the engine of the settings and the local engine; ``stack`` closes them."""
        preload(None if self.settings.watch else self.index.some_files())
        make = self.backend.worker(self.settings, self.out, self.session)
        count = self.settings.workers or len(os.sched_getaffinity(0))
        pool: Pool[Job] = Pool(count, make, self.settings.timeout)
        stack.callback(pool.close)
        scorer = self.backend.scorer()
        stack.callback(scorer.close)
        drawing = Drawing(self.verdicts, self.settings.heatmaps)
        local = Local(pool, scorer, drawing)
        stack.callback(local.close)
        pool.quiet = local.quiet
        if self.settings.engine == "local":
            return Engines(pool, local, local)
        on_ray = self.backend.on_ray(self.settings, drawing, self.out, count)
        stack.callback(on_ray.close)
        return Engines(pool, on_ray, local)

    def _once(self, engines: Engines) -> int:
        """Process the files of the last scan, and return the number of rows that were kept."""
        look = FileLook(self.index, engines.pool)
        look.all()
        rows_before = self._grouped()
        self._judge()
        with progress("score", self.judged["to do"]) as advance:
            self._score(engines.chosen, self.index.to_do(), advance)
            self._score_copies(engines.local, advance)
            while late := self._late(engines):
                look.enter(late)
                look.all()
                self._grouped()
                self._score(engines.local, self.index.to_do(), advance)
                self._score_copies(engines.local, advance)
        settle(self.ledger)
        self.pictures.delete_orphans()
        return rows_before

    def _late(self, engines: Engines) -> list[Outcome[Job]]:
        """Wait for all slow looks and digests, and return their outcomes. Call it when no case remains to do."""
        engines.local.late += engines.pool.each(())
        late, engines.local.late = engines.local.late, []
        return late

    def _score_copies(self, local: Local, advance: Advance) -> None:
        """Score the other copies of failed images, one after the other, until one can be read."""
        while self._copies(advance):  # rare (the first copy is unreadable), so the local engine suffices
            self._score(local, self.index.next_copies(), advance)

    def _copies(self, advance: Advance) -> bool:
        """Enter the rows of copies that need no try, and return whether any copy remains to be tried."""
        copied, failed = enter_copies(self.ledger)
        if copied or failed:
            advance(copied + failed)
            self.judged["to do"] -= copied + failed
            self.judged["failed"] += failed
            self._judge()
        return waiting(self.ledger)

    def _grouped(self) -> int:
        """Group the files into studies, and return the number of rows that were kept."""
        rows_before = self.index.group()
        self.pictures.delete_orphans()
        self.judged = Counter(self.ledger.judged())
        return rows_before

    def _score(self, engine: Engine, studies: Iterator[Study], advance: Advance) -> None:
        """Write the row of each of ``studies`` as soon as ``engine`` has it."""
        for study, entry in engine(studies):
            if self.resumed or entry.status == "failed":
                self.pictures.delete_others(study.id, entry)
            self.ledger.write([(study.id, entry)])
            advance(1)
            self.judged["to do"] -= 1
            self.judged[entry.status] += 1
            if entry.status == "failed":
                self._judge()

    def _judge(self) -> None:
        """Stop the run once the share of failed images exceeds ``max_failed``, even if all other images succeed.

        The share is that of all images in the folder, also those still to do, so the order of files does not matter.
        Files that failed before their pixels were read count as well.

        Raises:
            ScoringError: too many images have failed.
        """
        failed, total = self.judged["failed"], self.judged.total()
        if total >= TRIED and failed > self.settings.max_failed * total:
            first = next(self.ledger.rows("failed"))
            raise ScoringError(
                f"stopped: {failed} of {total} files failed, more than the share of {self.settings.max_failed:g} that "
                f"--max-failed allows. The first: {first.file}: {first.entry.reason}. The table holds every reason"
            )
