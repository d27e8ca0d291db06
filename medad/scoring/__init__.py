"""Batch scoring of a folder: every file ends as a row that is scored, skipped or failed, and nothing stops the rest.

index.py finds the studies, local.py or on_ray.py has them read and scored, the ledger keeps every row as it is made,
results.py writes the table from it. The table of an interrupted run that was resumed has the bytes of an undisturbed
one: rows are in the order of their files, scores do not depend on what was batched with what (scorer.py), and what
took how long is kept out of it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from medad.ledger import Entry, Ledger, shown
from medad.model import Model
from medad.progress import Advance, progress
from medad.scoring.gate import Gate
from medad.scoring.index import Index
from medad.scoring.jobs import Digest, Look, Worker
from medad.scoring.local import Drawing, Local, Result
from medad.scoring.looks import Looked
from medad.scoring.pool import Lost, Outcome, Pool
from medad.scoring.results import settings_digest, write_results
from medad.scoring.scorer import Scorer
from medad.scoring.settings import HEATMAPS, LEDGER, TABLE, ScoreSettings, ScoringError
from medad.scoring.verdicts import Verdicts
from medad.types import MedadError, Study

__all__ = ["HEATMAPS", "LEDGER", "TABLE", "ScoreSettings", "ScoringError", "Summary", "score_folder"]
TRIED = 100  # files before the share of failures is looked at
REASONS = 100

Engine = Callable[[Iterator[Study]], Iterator[Result]]


@dataclass(frozen=True)
class Summary:
    """How many rows there are of each status, how many were there before this call, and reasons of some failures."""

    counts: Counter[str]
    kept: int
    reasons: list[str]


def score_folder(
    model: Model, folder: Path, out: Path, settings: ScoreSettings | None = None, *, restart: bool = False
) -> Summary:
    """Score everything below ``folder``; write the table and a heatmap for each scored study to ``out``.

    Rows are kept in ``out``/ledger.sqlite as they
    are made: the same call goes on after an interruption, scores again only files that changed, and drops rows of files
    that are gone. ``restart`` forgets the rows that there are.

    Raises:
        ScoringError: there is no such folder, or no such score; too much fails.
        LedgerError: ``out`` holds the results of another model or folder, is in use, or cannot be written.
    """
    settings = settings or ScoreSettings()
    settings = replace(settings, score=settings.score or list(model.method.scores)[-1])
    rule = settings.alpha, settings.threshold, settings.point
    verdicts = Verdicts(model.card, tuple(model.method.scores), settings.score, *rule)
    if not settings.force:
        Gate(model.card.profile)  # a profile that is no good is said now, and not by a worker
    if not folder.exists():
        raise ScoringError(f"{folder}: there is no such file or folder")
    identity = {
        "model": model.digest,
        "folder": str(folder.resolve()),
        "score": settings.score,
        "heatmaps": settings.heatmaps,
        "force": str(settings.force),
        "uids": str(settings.uids),
    }
    ledger = Ledger(out / LEDGER, identity, restart)
    digests = {"model": model.digest, "settings": settings_digest(verdicts, force=settings.force)}

    def tables() -> None:
        try:
            write_results(ledger.rows(), out, verdicts, digests, f"Scores of {folder.name}")
        except OSError as error:
            raise ScoringError(f"{out}: the tables cannot be written: {error}. The ledger holds every row") from None

    with closing(ledger):
        try:
            kept = _Run(model, folder, out, settings, verdicts, ledger, tables).all()
        except BaseException:
            with suppress(MedadError):  # what stopped the run may stop this too, and is to be heard of first
                tables()
            raise
        tables()
        return Summary(Counter(ledger.counts()), kept, _reasons(ledger))


def _reasons(ledger: Ledger) -> list[str]:
    return [f"{row.file}: {row.entry.reason}" for row in islice(ledger.rows("failed"), REASONS)]


class _Run:
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
        self.tried: Counter[str] = Counter()
        self.first_failure = ""

    def all(self) -> int:
        """Score what there is, and with ``watch`` what arrives; how many rows were there before."""
        if self.settings.retry_failed:
            self.index.retry()
        with ExitStack() as stack:
            started = self._started(stack)
            kept = self._once(*started)
            while self.settings.watch:
                self.tables()
                time.sleep(self.settings.watch)
                self._once(*started)
        return kept

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
        self.index.walk(self.out)
        for found in pool.each(Look(paths) for paths in self.index.unseen()):
            self.index.looked(_looked(found))
        for found in pool.each(Digest(path) for (path,) in self.index.look_alikes()):
            if isinstance(found.job, Digest):
                lost = f"lost {os.fsencode(found.job.path).hex()}"
                self.index.digested(found.job.path, found.result if isinstance(found.result, str) else lost)
        kept, heatmaps = self.index.group()
        for heatmap in heatmaps:
            (self.out / heatmap).unlink(missing_ok=True)
        counts = self.ledger.counts()
        to_do = counts.pop("to do", 0)
        self._judge(counts.get("failed", 0), counts.get("failed", 0) + counts.get("scored", 0) + to_do)
        with progress("score", to_do) as advance:
            self._score(engine, advance)
            while self.index.copies():  # their first files could not be read: seldom many, and not worth a cluster
                self._score(local, advance)
        return kept

    def _score(self, engine: Engine, advance: Advance) -> None:
        for study, entry in engine(self.index.to_do()):
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


def _looked(found: Outcome) -> list[Looked]:
    if isinstance(found.result, Lost) and isinstance(found.job, Look):
        return [Looked(path, "failed", found.result.reason) for path in found.job.paths]
    return found.result if isinstance(found.result, list) else []
