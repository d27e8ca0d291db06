"""Worker processes that may hang, crash or be killed: the job that did it is tried once more, and then given up.

The second try has a worker to itself, while the others go on. Only what ended a process by SIGKILL waits until nothing
else is at work: most likely the machine had no memory left.

A job is sent ahead only while it is small: a worker that waits to hand over a large result must never meet a parent
that waits to hand over a large job.
"""

from __future__ import annotations

import contextlib
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Generic

from medad.io.pool_jobs import J, Lost, Outcome, Worker
from medad.io.worker_process import Raised, started

AHEAD = 4  # jobs that a worker has, the one that it is at included
SMALL = 32 * 1024  # bytes: AHEAD of them fit into a socket's buffer


class Pool(Generic[J]):
    """``count`` workers, each of which calls what ``make()`` gives for one job after another.

    ``timeout`` is the seconds for a job of one file; every further hundred files have as much again. The
    attribute ``quiet`` is called before a worker is forked: no other thread may then be at work.
    """

    def __init__(self, count: int, make: Callable[[], Callable[[J], Any]], timeout: float) -> None:
        self.count = count
        self.timeout = timeout
        self._make = make
        self.quiet: Callable[[], None] = lambda: None
        self._workers: list[Worker[J] | None] = [None] * count
        self._own: list[deque[J]] = [deque() for _ in range(count)]
        self._shared: deque[J] = deque()
        self._suspects: deque[J] = deque()  # for a worker to itself
        self._last: deque[J] = deque()  # for a machine to itself
        self._alone = False

    @property
    def busy(self) -> bool:
        """Whether any job is waiting or at work."""
        return bool(self._queued() or self._suspects or self._last or self._at_work())

    @property
    def full(self) -> bool:
        """Whether there are as many jobs as workers take ahead."""
        return len(self._shared) + self._at_work() >= self.count * AHEAD

    def offer(self, job: J, worker: int | None = None) -> None:
        """Have ``job`` done, by the worker that knows it, if one does."""
        (self._shared if worker is None else self._own[worker]).append(job)

    def each(self, jobs: Iterable[J], leave_slow: bool = False) -> Iterator[Outcome[J]]:
        """The outcomes of ``jobs``, as they are done; they are drawn as there is room.

        With ``leave_slow`` it ends as well when nothing is left but slow ones and second tries. They stay at work: go
        on with other jobs, and take the outcomes of both as they come.
        """
        waiting, more = iter(jobs), True
        while True:
            while more and not self.full:
                if (job := next(waiting, None)) is None:
                    more = False
                else:
                    self.offer(job)
            if not self.busy or (leave_slow and not more and self._only_slow()):
                return
            yield from self.outcomes()

    def in_order(self, jobs: Iterable[J]) -> Iterator[tuple[J, Any]]:
        """Each of ``jobs``, which have no parts, with its result, in their order; what is done early waits."""
        order: deque[J] = deque()
        done: dict[int, Any] = {}

        def noted() -> Iterator[J]:
            for job in jobs:
                order.append(job)
                yield job

        for outcome in self.each(noted()):
            done[id(outcome.job)] = outcome.result
            while order and id(order[0]) in done:
                job = order.popleft()
                yield job, done.pop(id(job))

    def _only_slow(self) -> bool:
        at_work = [worker for worker in self._workers if worker is not None and worker.jobs]
        for worker in at_work:
            if worker.slow:
                self._draw_back(worker)
        return not self._queued() and all(worker.slow or worker.again for worker in at_work)

    def _queued(self) -> bool:
        return bool(self._shared) or any(self._own)

    def outcomes(self, wake: int | None = None) -> list[Outcome[J]]:
        """Wait until something is done, or ``wake`` can be read, or a worker is slow or overdue.

        Raises:
            MedadError: what a job raised on purpose: the run cannot go on.
        """
        self._dispatch()
        pipes = {worker.pipe: number for number, worker in enumerate(self._workers) if worker is not None}
        ready = wait([*pipes, *([] if wake is None else [wake])], self._patience())
        found = [self._received(pipes[one]) for one in ready if isinstance(one, Connection)]
        for number, worker in enumerate(self._workers):
            if worker is None or not worker.jobs:
                continue
            limit = self._limit(worker.jobs[0])
            if time.monotonic() > worker.began + limit:
                found.append(self._lost(number, f"reading it took longer than {limit:g} s (timeout)"))
            elif worker.slow:
                self._help(number, worker)
        return [one for one in found if one is not None]

    def close(self) -> None:
        """End all workers at once, whatever they are at."""
        for number in range(self.count):
            self._end(number)

    def _at_work(self) -> int:
        return sum(len(worker.jobs) for worker in self._workers if worker is not None)

    def _limit(self, job: J | None) -> float:
        return self.timeout * (1 + (0 if job is None else job.count) // 100)

    def _patience(self) -> float | None:
        """Seconds until the next worker is slow or overdue."""
        now = time.monotonic()
        ends = [
            worker.began + self._limit(worker.jobs[0]) if worker.slow else worker.slow_from
            for worker in self._workers
            if worker is not None and worker.jobs
        ]
        return max(0.0, min(ends) - now) + 0.01 if ends else None

    def _help(self, number: int, worker: Worker[J]) -> None:
        """Have others do what waits for a slow job: what is behind it, and its own parts, if it has several."""
        job = worker.jobs[0]
        parts = [] if job is None or not job.repeatable else job.parts()
        if len(parts) < 2:
            self._draw_back(worker)
            return
        worker.jobs[0] = None
        self._lost(number, "")
        self._shared.extend(parts)

    def _draw_back(self, worker: Worker[J]) -> None:
        """Have others do what waits behind a slow job; if the worker comes to it after all, its answer is void."""
        for place, job in enumerate(worker.jobs):
            if place and job is not None and job.repeatable:
                worker.jobs[place] = None
                self._shared.append(job)

    def _dispatch(self) -> None:
        if self._alone:
            return
        for number in range(self.count):
            if self._suspects and self._idle(number) and self._room_for_suspects():
                self._send(number, self._suspects.popleft(), again=True)
        for _ in range(AHEAD):  # one for each worker in turn
            for number in range(self.count):
                queue = self._own[number] or self._shared
                if queue and self._takes(number, queue[0]):
                    self._send(number, queue.popleft())
        if self._last and not self._at_work():
            self._alone = True
            self._send(0, self._last.popleft(), again=True)

    def _idle(self, number: int) -> bool:
        worker = self._workers[number]
        return worker is None or not worker.jobs

    def _room_for_suspects(self) -> bool:
        """One worker at least is for what has not been tried yet, if there are several."""
        tried = sum(worker is not None and bool(worker.jobs) and worker.again for worker in self._workers)
        return tried < (max(1, self.count - 1) if self._queued() else self.count)

    def _takes(self, number: int, job: J) -> bool:
        worker = self._workers[number]
        if worker is None or not worker.jobs:
            return True
        if worker.old or worker.again or worker.slow:
            return False
        return len(worker.jobs) < AHEAD and len(pickle.dumps(job)) < SMALL

    def _send(self, number: int, job: J, again: bool = False) -> None:
        worker = self._workers[number] or self._started(number)
        if not worker.jobs:
            worker.began = time.monotonic()
        worker.jobs.append(job)
        worker.again = again
        with contextlib.suppress(OSError):  # it is dead, which its pipe will say
            worker.pipe.send(job)

    def _started(self, number: int) -> Worker[J]:
        self.quiet()
        worker = self._workers[number] = Worker(*started(self._make))
        return worker

    def _received(self, number: int) -> Outcome[J] | None:
        worker = self._workers[number]
        if worker is None:
            return None
        try:
            result = worker.pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            how = worker.how_it_ended()
            return self._lost(number, f"reading it ended its process ({how})", killed="SIGKILL" in how)
        job = worker.jobs.popleft()
        worker.began = time.monotonic()
        worker.done += 1
        worker.again = self._alone = False
        if worker.old and not worker.jobs:
            self._end(number)
        if isinstance(result, Raised):
            raise result.error
        return None if job is None else Outcome(job, result, number)

    def _lost(self, number: int, reason: str, killed: bool = False) -> Outcome[J] | None:
        """End a worker; what it was at is tried once more, or given up if this was the second try."""
        worker = self._workers[number]
        jobs, again = (deque[J | None](), False) if worker is None else (worker.jobs, worker.again)
        self._end(number)
        guilty = jobs.popleft() if jobs else None
        self._shared.extendleft(job for job in reversed(jobs) if job is not None)
        self._shared.extendleft(reversed(self._own[number]))
        self._own[number].clear()
        if guilty is None:
            return None
        if again:
            self._alone = False
            return Outcome(guilty, Lost(f"{reason}, twice"), number)
        (self._last if killed else self._suspects).extend(guilty.parts())
        return None

    def _end(self, number: int) -> None:
        worker = self._workers[number]
        if worker is None:
            return
        self._workers[number] = None
        worker.end()
