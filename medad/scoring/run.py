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

from medad.io.dicom_copies import broken
from medad.ledger import Entry, Ledger, shown
from medad.model import Model
from medad.progress import Advance, progress
from medad.scoring.copies import enter_copies, waiting
from medad.scoring.index import Index
from medad.scoring.jobs import Digest, Done, Look, Worker, files_of
from medad.scoring.local import Drawing, Local, Result
from medad.scoring.looks import Looked
from medad.scoring.pictures import Pictures
from medad.scoring.pool import Lost, Outcome, Pool
from medad.scoring.scorer import Scorer
from medad.scoring.settings import FolderAway, ScoreSettings, ScoringError
from medad.scoring.spares import exchange
from medad.scoring.verdicts import Verdicts
from medad.types import Study

log = logging.getLogger(__name__)
TRIED = 100  # files before the share of failures is looked at

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
        self.index = Index(ledger, folder, settling=settings.watch > 0)
        self.pictures = Pictures(ledger, out)
        self.resumed = "to do" in ledger.counts()
        self.tried: Counter[str] = Counter()
        self.first_failure = ""

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

    def _started(self, stack: ExitStack) -> tuple[Pool, Engine, Engine]:
        make = partial(Worker, self.model.card, self.model.method.settings, self.settings, self.out)
        count = self.settings.workers or len(os.sched_getaffinity(0))
        pool = Pool(count, make, self.settings.timeout)
        stack.callback(pool.close)
        scorer = Scorer(self.model.method, torch.get_num_threads())
        stack.callback(scorer.close)
        drawing = Drawing(self.verdicts, self.settings.heatmaps)
        local = Local(pool, scorer, drawing)
        stack.callback(local.close)
        pool.quiet = local.quiet
        if self.settings.engine == "local":
            return pool, local, local
        from medad.scoring.on_ray import OnRay

        on_ray = OnRay(self.model, self.settings, drawing, self.out, count)
        stack.callback(on_ray.close)
        return pool, on_ray, local

    def _once(self, pool: Pool, engine: Engine, local: Engine) -> int:
        with progress("look into files", self.index.unlooked()) as advance:
            for found in pool.each(Look(paths) for paths in self.index.unseen()):
                self.index.looked(_looked(found))
                advance(files_of(found.job))
        by_bytes = (Digest(path) for (path,) in self.index.look_alikes())
        by_pixels = (Digest(path, pixels=True) for path in self.index.same_uid())
        for found in chain(pool.each(by_bytes), pool.each(by_pixels)):
            if isinstance(found.job, Digest):
                self.index.digested(found.job.path, _digest(found.job, found.result))
        exchange(self.ledger)  # for what a run left that was stopped
        kept = self._grouped()
        counts = self.ledger.counts()
        to_do = counts.pop("to do", 0)
        self._judge(counts.get("failed", 0), counts.get("failed", 0) + counts.get("scored", 0) + to_do)
        with progress("score", to_do) as advance:
            self._score(engine, self.index.to_do(), advance)
            while exchange(self.ledger):
                left = self._left()
                self._grouped()
                advance(left - self._left())  # series that are put together anew are to be done again
                self._score(local, self.index.to_do(), advance)
            while self._copies(advance):  # their first files could not be read: seldom many, not worth a cluster
                self._score(local, self.index.next_copies(), advance)
        return kept

    def _left(self) -> int:
        return self.ledger.counts().get("to do", 0)

    def _copies(self, advance: Advance) -> bool:
        """Enter what follows for copies; whether any has still to be tried."""
        copied, failed = enter_copies(self.ledger)
        if copied or failed:
            advance(copied + failed)
            self.tried["failed"] += failed
            self._judge(self.tried["failed"], self.tried.total())
        return waiting(self.ledger)

    def _grouped(self) -> int:
        kept = self.index.group()
        self.pictures.delete_orphans()
        return kept

    def _score(self, engine: Engine, studies: Iterator[Study], advance: Advance) -> None:
        for study, entry in engine(studies):
            if self.resumed or entry.status == "failed":
                self.pictures.delete_others(study.id, entry)
            self.ledger.write([(study.id, entry)])
            advance(1)
            self._note(study, entry)

    def _note(self, study: Study, entry: Entry) -> None:
        self.tried[entry.status] += 1
        if entry.status == "failed" and not self.first_failure:
            self.first_failure = f" The first: {shown(os.fsencode(study.id))}: {entry.reason}"
        self._judge(self.tried["failed"], self.tried.total())

    def _judge(self, failed: int, total: int) -> None:
        """Stop a run that is going wrong."""
        if total >= TRIED and failed > self.settings.max_failed * total:
            raise ScoringError(
                f"stopped: {failed} of {total} files failed, more than the share of {self.settings.max_failed:g} that "
                f"--max-failed allows.{self.first_failure} The table holds every reason"
            )


def _digest(job: Digest, result: Done | Lost) -> str:
    """The digest of a file; one that is like no other where no worker survived it."""
    if isinstance(result, str):
        return result
    name = os.fsencode(job.path).hex()
    return broken(name, result.reason) if job.pixels and isinstance(result, Lost) else f"lost {name}"


def _looked(found: Outcome) -> list[Looked]:
    if isinstance(found.result, Lost) and isinstance(found.job, Look):
        return [Looked(path, "failed", found.result.reason) for path in found.job.paths]
    return found.result if isinstance(found.result, list) else []
