"""One call of batch scoring: look, put together, read and score and draw, once or until it is interrupted."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path

import torch

from medad.io.dicom.copies import broken
from medad.io.pool import Pool
from medad.io.pool_jobs import Lost, Outcome
from medad.io.preload import preload
from medad.model import Model
from medad.progress import Advance, progress
from medad.scoring.engine.local import Drawing, Local, Result
from medad.scoring.engine.worker import Digest, Job, Look, Worker
from medad.scoring.flagging import Verdicts
from medad.scoring.index.duplicates import enter_copies, settle, waiting
from medad.scoring.index.file_info import Looked, Session
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index
from medad.scoring.pictures import Pictures
from medad.scoring.scorer import Scorer
from medad.scoring.settings import FolderAway, ScoreSettings, ScoringError
from medad.types import Study

log = logging.getLogger(__name__)
TRIED = 100  # images before the share of failures is looked at

Engine = Callable[[Iterator[Study]], Iterator[Result]]


class Run:
    """One call: a look at the folder, or one after the other until it is interrupted."""

    def __init__(
        self,
        model: Model,
        folder: Path,
        out: Path,
        settings: ScoreSettings,
        verdicts: Verdicts,
        ledger: Ledger,
        tables: Callable[[], None],
    ) -> None:
        self.model, self.out, self.settings = model, out, settings
        self.verdicts, self.ledger, self.tables = verdicts, ledger, tables
        self.session = Session()
        self.index = Index(ledger, folder, settings.watch > 0, self.session, settings.follow_links)
        self.pictures = Pictures(ledger, out)
        self.resumed = "to do" in ledger.counts()
        self.judged: Counter[str] = Counter()  # images by their status

    def all(self) -> int:
        """Score what there is, and with ``watch`` what arrives; how many rows were there before."""
        if not self.index.run:
            self.pictures.delete_all()
        self.index.walk(self.out)  # it refuses a folder that is away, before anything has changed
        if self.settings.retry_failed:
            self.index.retry()
        if self.settings.heatmaps == "flagged":
            self.pictures.fit(self.verdicts)
        with ExitStack() as stack:
            started = self._started(stack)
            kept = self._once(*started)
            while self.settings.watch:
                self.tables()
                self._wait()
                self._once(*started)
        return kept

    def _wait(self) -> None:
        """Until it is time for the next look, and the folder is there: a night's watch outlasts a share's absence."""
        said = False
        while True:
            time.sleep(self.settings.watch)
            try:
                self.index.walk(self.out)
            except FolderAway as error:
                if not said:
                    log.warning("waiting: %s", error)
                said = True
            else:
                return

    def _started(self, stack: ExitStack) -> tuple[Pool[Job], Engine, Local]:
        preload()
        make = partial(Worker, self.model.card, self.model.method.settings, self.settings, self.out, self.session)
        count = self.settings.workers or len(os.sched_getaffinity(0))
        pool: Pool[Job] = Pool(count, make, self.settings.timeout)
        stack.callback(pool.close)
        scorer = Scorer(self.model.method, torch.get_num_threads())
        stack.callback(scorer.close)
        drawing = Drawing(self.verdicts, self.settings.heatmaps)
        local = Local(pool, scorer, drawing)
        stack.callback(local.close)
        pool.quiet = local.quiet
        if self.settings.engine == "local":
            return pool, local, local
        from medad.scoring.engine.on_ray import OnRay

        on_ray = OnRay(self.model, self.settings, drawing, self.out, count)
        stack.callback(on_ray.close)
        return pool, on_ray, local

    def _once(self, pool: Pool[Job], engine: Engine, local: Local) -> int:
        self._look(pool)
        kept = self._grouped()
        self._judge()
        with progress("score", self.judged["to do"]) as advance:
            self._score(engine, self.index.to_do(), advance)
            self._score_copies(local, advance)
            while late := self._late(pool, local):
                self._enter(late)
                self._look(pool)
                self._grouped()
                self._score(local, self.index.to_do(), advance)
                self._score_copies(local, advance)
        settle(self.ledger)
        self.pictures.delete_orphans()
        return kept

    def _look(self, pool: Pool[Job]) -> None:
        """Look into files until there is nothing new; what takes long is left to the pool, and comes late."""
        more = True
        while more:
            with progress("look into files", self.index.unlooked()) as advance:
                looks = (Look(paths, content) for paths, content in self.index.unseen())
                for found in pool.each(looks, leave_slow=True):
                    self._enter([found])
                    advance(found.job.count)
            more = self.index.forget_other_sessions()
        by_bytes = (Digest(path) for (path,) in self.index.look_alikes())
        by_pixels = (Digest(path, pixels=True) for path in self.index.same_uid())
        for found in chain(pool.each(by_bytes, leave_slow=True), pool.each(by_pixels, leave_slow=True)):
            self._enter([found])

    def _enter(self, outcomes: list[Outcome[Job]]) -> None:
        """Enter what came of looks and digests."""
        for found in outcomes:
            if isinstance(found.job, Look):
                self.index.looked(_looked(found.job, found.result))
            elif isinstance(found.job, Digest):
                self.index.digested(found.job.path, _digest(found.job, found.result))

    def _late(self, pool: Pool[Job], local: Local) -> list[Outcome[Job]]:
        """What came of looks that took long; it waits for all of them, for nothing else is left to do."""
        local.late += pool.each(())
        late, local.late = local.late, []
        return late

    def _score_copies(self, local: Local, advance: Advance) -> None:
        """Score the other copies of what failed, one after the other, until one can be read."""
        while self._copies(advance):  # their first files could not be read: seldom many, not worth a cluster
            self._score(local, self.index.next_copies(), advance)

    def _copies(self, advance: Advance) -> bool:
        """Enter what follows for copies; whether any has still to be tried."""
        copied, failed = enter_copies(self.ledger)
        if copied or failed:
            advance(copied + failed)
            self.judged["to do"] -= copied + failed
            self.judged["failed"] += failed
            self._judge()
        return waiting(self.ledger)

    def _grouped(self) -> int:
        kept = self.index.group()
        self.pictures.delete_orphans()
        self.judged = Counter(self.ledger.judged())
        return kept

    def _score(self, engine: Engine, studies: Iterator[Study], advance: Advance) -> None:
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
        """Stop a run once too many of all its images have failed, whatever becomes of those that are still to do.

        Files that failed before their pixels were read count as the others do. In which order files come is no matter.
        """
        failed, total = self.judged["failed"], self.judged.total()
        if total >= TRIED and failed > self.settings.max_failed * total:
            first = next(self.ledger.rows("failed"))
            raise ScoringError(
                f"stopped: {failed} of {total} files failed, more than the share of {self.settings.max_failed:g} that "
                f"--max-failed allows. The first: {first.file}: {first.entry.reason}. The table holds every reason"
            )


def _digest(job: Digest, result: object) -> str | None:
    """The digest of a file; one that is like no other where no worker survived it; None if it cannot be opened now."""
    if not isinstance(result, Lost):
        return result if isinstance(result, str) else None
    name = os.fsencode(job.path).hex()
    return broken(name, result.reason) if job.pixels else f"lost {name}"


def _looked(job: Look, result: object) -> list[Looked]:
    if isinstance(result, Lost):
        return [Looked(path, "failed", result.reason, kind="lost") for path in job.paths]
    return result if isinstance(result, list) else []
