"""Score on one machine: workers read studies, this process scores them, workers draw them; memory is bounded."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medad.io.pool import AHEAD, Pool
from medad.io.pool_jobs import Outcome
from medad.parallel import Lost
from medad.scoring.core.entries import Entry, Pixels
from medad.scoring.core.flagging import Verdicts
from medad.scoring.core.pooled import NonFinite, pooled
from medad.scoring.engine.jobs import Draw, Job, Read, Ready
from medad.types import Scored, Study

if TYPE_CHECKING:
    from medad.scoring.engine.backend import AnyScorer

Result = tuple[Study, Entry]


@dataclass(frozen=True)
class _Waiting:
    """A study that was read and waits for its scores; the worker number ``worker`` keeps its images for the drawing."""

    study: Study
    ready: Ready
    worker: int


@dataclass(frozen=True)
class Drawing:
    """Makes the drawing job of a study.

    It draws the map that ``verdicts`` names, at the slice with the highest ranking score. ``heatmaps`` ("flagged",
    "all", "none") says which studies also get a heatmap on the source.
    """

    verdicts: Verdicts
    heatmaps: str

    def __call__(self, study: Study, scored: dict[str, Scored], entry: Entry) -> Draw:
        """Return the job that draws ``study``, from the scores of its slices and its row."""
        worst = int(scored[self.verdicts.score].score.argmax())
        maps = scored[self.verdicts.map].anomaly_map
        flagged = self.heatmaps == "flagged" and bool(self.verdicts.flagged([entry.scores])[0])
        return Draw(study, np.asarray(maps).astype(np.float32), worst, flagged or self.heatmaps == "all")


class Local:
    """Scores studies with a pool of workers."""

    def __init__(self, pool: Pool[Job], scorer: AnyScorer, drawing: Drawing) -> None:
        self.pool = pool
        self.scorer = scorer
        self.drawing = drawing
        self.late: list[Outcome[Job]] = []  # outcomes of looks and digests that came while studies were scored
        self._conductor = ThreadPoolExecutor(1)
        self._wake, self._bell = os.pipe()
        self._waiting: list[_Waiting] = []
        self._scoring: tuple[list[_Waiting], Future[list[dict[str, Scored]]], float] | None = None
        self._drawing: dict[str, Entry] = {}
        self._reading = 0

    def __call__(self, studies: Iterator[Study]) -> Iterator[Result]:
        """Yield each study with its entry, as soon as it is done."""
        remaining: Iterator[Study] | None = studies
        while True:
            while remaining is not None and self._room():
                study = next(remaining, None)
                if study is None:
                    remaining = None
                else:
                    self.pool.offer(Read(study))
                    self._reading += 1
            self._start_scoring()
            if not self._open():
                return
            for outcome in self.pool.outcomes(self._wake):
                yield from self._taken(outcome)
            yield from self._scored()

    def quiet(self) -> None:
        """Wait until no thread is scoring."""
        if self._scoring is not None:
            self._scoring[1].exception()

    def close(self) -> None:
        """Stop the thread, and close the pipe."""
        self._conductor.shutdown(cancel_futures=True)
        os.close(self._wake)
        os.close(self._bell)

    def _open(self) -> int:
        """Return the number of studies that are begun and not done."""
        scoring = 0 if self._scoring is None else len(self._scoring[0])
        return self._reading + len(self._waiting) + scoring + len(self._drawing)

    def _room(self) -> bool:
        """Return whether another study may be read: the slices and studies in memory are limited."""
        slices = sum(len(item.ready.slices) for item in self._waiting)
        return slices < 2 * self.scorer.room and self._open() < 4 * self.scorer.room + AHEAD * self.pool.count

    def _taken(self, outcome: Outcome[Job]) -> Iterator[Result]:
        """Take an outcome from the pool, and yield the study if it is done."""
        if not isinstance(outcome.job, (Read, Draw)):
            self.late.append(outcome)
            return
        study, done = outcome_of(outcome)
        if isinstance(outcome.job, Read):
            self._reading -= 1
        if isinstance(done, Ready):
            self._waiting.append(_Waiting(study, done, outcome.worker))
        else:
            yield study, drawn(self._drawing.pop(study.id), done) if isinstance(outcome.job, Draw) else done

    def _start_scoring(self) -> None:
        """Start to score the waiting studies, if they keep all threads busy or no more are being read."""
        slices = sum(len(item.ready.slices) for item in self._waiting)
        if self._scoring is not None or not slices or (slices < self.scorer.room and self._reading):
            return
        batch, self._waiting = self._waiting, []
        pixels: list[Pixels] = [item.ready.slices for item in batch]
        future = self._conductor.submit(self.scorer, pixels)
        self._scoring = batch, future, time.monotonic()
        future.add_done_callback(lambda _: os.write(self._bell, b"."))

    def _scored(self) -> Iterator[Result]:
        """Offer the studies of a finished batch to the workers for drawing; yield those whose scores are not finite."""
        if self._scoring is None or not self._scoring[1].done():
            return
        batch, future, began = self._scoring
        os.read(self._wake, 1)
        self._scoring = None
        results = future.result()
        share = (time.monotonic() - began) / len(batch)
        for item, scored in zip(batch, results, strict=True):
            entry = entry_of(scored, item.ready.seconds + share)
            if entry.status != "scored":
                yield item.study, entry
                continue
            self._drawing[item.study.id] = entry
            self.pool.offer(self.drawing(item.study, scored, entry), item.worker)


def outcome_of(outcome: Outcome[Job]) -> tuple[Study, Ready | Entry]:
    """Return the study of a job and its result.

    Raises:
        TypeError: the job is not a job on a study.
    """
    job, result = outcome.job, outcome.result
    done = Entry("failed", result.reason, kind="lost") if isinstance(result, Lost) else result
    if not isinstance(job, (Read, Draw)) or not isinstance(done, (Ready, Entry)):
        raise TypeError(f"a {type(job).__name__} is no part of scoring")
    return job.study, done


def drawn(before: Entry, done: Entry) -> Entry:
    """Return the final row of a study from ``before``, its row with scores, and ``done``, the result of its drawing."""
    whole = replace(before, heatmap=done.heatmap, facts=done.facts) if done.status == "scored" else done
    return replace(whole, seconds=before.seconds + done.seconds)


def entry_of(scored: dict[str, Scored], seconds: float) -> Entry:
    """Return the row of a study from the scores of its slices; it has failed if any score is not finite."""
    count = len(next(iter(scored.values())).score)
    try:
        return Entry("scored", slices=count, scores=pooled(scored), seconds=seconds)
    except NonFinite as error:
        return Entry("failed", str(error), count, seconds=seconds, kind="non-finite")
