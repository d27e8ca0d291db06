"""Worker processes that may hang, crash or be killed: the job that did it is tried once more alone, and then given up.

A job is sent ahead only while it is small: a worker that waits to hand over a large result must never meet a parent
that waits to hand over a large job.
"""

from __future__ import annotations

import contextlib
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from medad.scoring.jobs import Done, Job, files_of, parts_of
from medad.scoring.serving import Process, started
from medad.types import MedadError

AHEAD = 4  # jobs that a worker has, the one that it is at included
LIFE = 1_000  # jobs after which a worker makes room for a new one: what decoders leave behind must not add up
SMALL = 32 * 1024  # bytes: AHEAD of them fit into a socket's buffer


@dataclass(frozen=True)
class Lost:
    """A job that no worker survived, and why."""

    reason: str


@dataclass(frozen=True)
class Outcome:
    """What came of a job, and the worker that did it."""

    job: Job
    result: Done | Lost
    worker: int


@dataclass
class _Worker(Process):
    """A process with the jobs that it has."""

    jobs: deque[Job] = field(default_factory=deque)
    began: float = 0.0
    done: int = 0

    @property
    def old(self) -> bool:
        """Whether it gets no more jobs."""
        return self.done >= LIFE


class Pool:
    """``count`` workers, each of which calls what ``make()`` gives for one job after another.

    ``timeout`` is the seconds for a job of one file; every further hundred files have as much again. The
    attribute ``quiet`` is called before a worker is forked: no other thread may then be at work.
    """

    def __init__(self, count: int, make: Callable[[], Callable[[Job], Done]], timeout: float) -> None:
        self.count = count
        self.timeout = timeout
        self._make = make
        self.quiet: Callable[[], None] = lambda: None
        self._workers: list[_Worker | None] = [None] * count
        self._own: list[deque[Job]] = [deque() for _ in range(count)]
        self._shared: deque[Job] = deque()
        self._suspects: deque[Job] = deque()
        self._alone: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether any job is waiting or at work."""
        return bool(self._suspects or self._shared or any(self._own) or self._at_work())

    @property
    def full(self) -> bool:
        """Whether there are as many jobs as workers take ahead."""
        return len(self._shared) + self._at_work() >= self.count * AHEAD

    def offer(self, job: Job, worker: int | None = None) -> None:
        """Have ``job`` done, by the worker that knows it, if one does."""
        (self._shared if worker is None else self._own[worker]).append(job)

    def each(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """The outcomes of ``jobs``, as they are done; they are drawn as there is room."""
        waiting = iter(jobs)
        while True:
            while not self.full and (job := next(waiting, None)) is not None:
                self.offer(job)
            if not self.busy:
                return
            yield from self.outcomes()

    def outcomes(self, wake: int | None = None) -> list[Outcome]:
        """Wait until something is done, or ``wake`` can be read, or a worker is overdue.

        Raises:
            MedadError: what a job raised on purpose: the run cannot go on.
        """
        self._dispatch()
        pipes = {worker.pipe: number for number, worker in enumerate(self._workers) if worker is not None}
        ready = wait([*pipes, *([] if wake is None else [wake])], self._patience())
        found = [self._received(pipes[one]) for one in ready if isinstance(one, Connection)]
        now = time.monotonic()
        for number, worker in enumerate(self._workers):
            if worker is not None and worker.jobs and now > worker.began + self._limit(worker.jobs[0]):
                limit = self._limit(worker.jobs[0])
                found.append(self._lost(number, f"reading it took longer than {limit:g} s (timeout)"))
        return [one for one in found if one is not None]

    def close(self) -> None:
        """End all workers at once, whatever they are at."""
        for number in range(self.count):
            self._end(number)

    def _at_work(self) -> int:
        return sum(len(worker.jobs) for worker in self._workers if worker is not None)

    def _limit(self, job: Job) -> float:
        return self.timeout * (1 + files_of(job) // 100)

    def _patience(self) -> float | None:
        busy = [worker for worker in self._workers if worker is not None and worker.jobs]
        now = time.monotonic()
        return min((max(0.0, one.began + self._limit(one.jobs[0]) - now) + 0.01 for one in busy), default=None)

    def _dispatch(self) -> None:
        if self._suspects and not self._shared and not any(self._own) and not self._at_work():
            self._alone = self._suspects.popleft()
            self._send(0, self._alone)
        for _ in range(AHEAD):  # one for each worker in turn
            for number in range(self.count) if self._alone is None else ():
                queue = self._own[number] or self._shared
                if queue and self._takes(number, queue[0]):
                    self._send(number, queue.popleft())

    def _takes(self, number: int, job: Job) -> bool:
        worker = self._workers[number]
        if worker is None or not worker.jobs:
            return True
        return not worker.old and len(worker.jobs) < AHEAD and len(pickle.dumps(job)) < SMALL

    def _send(self, number: int, job: Job) -> None:
        worker = self._workers[number] or self._started(number)
        if not worker.jobs:
            worker.began = time.monotonic()
        worker.jobs.append(job)
        with contextlib.suppress(OSError):  # it is dead, which its pipe will say
            worker.pipe.send(job)

    def _started(self, number: int) -> _Worker:
        self.quiet()
        worker = self._workers[number] = _Worker(*started(self._make))
        return worker

    def _received(self, number: int) -> Outcome | None:
        worker = self._workers[number]
        if worker is None:
            return None
        try:
            result = worker.pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            return self._lost(number, f"reading it ended its process ({worker.how_it_ended()})")
        job = worker.jobs.popleft()
        worker.began = time.monotonic()
        worker.done += 1
        if worker.old and not worker.jobs:
            self._end(number)
        self._settled(job)
        if isinstance(result, MedadError):
            raise result
        return Outcome(job, result, number)

    def _lost(self, number: int, reason: str) -> Outcome | None:
        worker = self._workers[number]
        jobs = worker.jobs if worker is not None else deque()
        self._end(number)
        if not jobs:
            return None
        guilty = jobs.popleft()
        self._shared.extendleft(reversed(jobs))
        self._shared.extendleft(reversed(self._own[number]))
        self._own[number].clear()
        if guilty is self._alone:
            self._settled(guilty)
            return Outcome(guilty, Lost(f"{reason}, twice"), number)
        self._suspects.extend(parts_of(guilty))
        return None

    def _settled(self, job: Job) -> None:
        if job is self._alone:
            self._alone = None

    def _end(self, number: int) -> None:
        worker = self._workers[number]
        if worker is None:
            return
        self._workers[number] = None
        worker.end()
