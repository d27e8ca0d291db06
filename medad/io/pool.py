"""Run jobs in worker processes that may hang, crash or be killed. A failed job is tried once more, then given up.

The second try has a worker to itself, while the other workers continue. A job whose process was ended by SIGKILL waits
until no other job is running, since the machine most likely ran out of memory.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from medad.io.pool_jobs import AHEAD, J, Outcome, Worker
from medad.io.pool_workers import PoolWorkers
from medad.io.worker_process import Raised
from medad.parallel import Lost

__all__ = ["AHEAD", "Lost", "Pool"]


class Pool(PoolWorkers[J]):
    """``count`` workers, each of which calls the function that ``make()`` returns, for one job after another.

    ``timeout`` is in seconds, for a job of one file; every further hundred files add as much again. The attribute
    ``quiet`` is called before a worker is forked: it must stop all other threads. ``close`` ends the workers.
    """

    def __init__(self, count: int, make: Callable[[], Callable[[J], Any]], timeout: float) -> None:
        super().__init__(count, make, timeout)
        self._queues: list[deque[J]] = [deque() for _ in range(count)]
        self._shared: deque[J] = deque()
        self._suspects: deque[J] = deque()  # each needs a worker to itself
        self._killed: deque[J] = deque()  # each needs the machine to itself
        self._alone = False

    @property
    def busy(self) -> bool:
        """Return whether any job is waiting or running."""
        return bool(self._queued() or self._suspects or self._killed or self._at_work())

    @property
    def full(self) -> bool:
        """Return whether the workers have as many jobs as they take ahead."""
        return len(self._shared) + self._at_work() >= self.count * AHEAD

    def offer(self, job: J, worker: int | None = None) -> None:
        """Queue ``job``, for the given worker only if there is one."""
        (self._shared if worker is None else self._queues[worker]).append(job)

    def each(self, jobs: Iterable[J], leave_slow: bool = False) -> Iterator[Outcome[J]]:
        """Yield the outcomes of ``jobs`` in the order of completion. Jobs are drawn from the iterable as there is room.

        With ``leave_slow`` the iteration also ends when only slow jobs and second tries remain. These continue: run
        other jobs, and take the outcomes of both as they come.
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
        """Yield each of ``jobs``, which have no parts, with its result, in their order. Early results wait."""
        order: deque[J] = deque()
        done: dict[int, Any] = {}

        def recorded() -> Iterator[J]:
            for job in jobs:
                order.append(job)
                yield job

        for outcome in self.each(recorded()):
            done[id(outcome.job)] = outcome.result
            while order and id(order[0]) in done:
                job = order.popleft()
                yield job, done.pop(id(job))

    def _only_slow(self) -> bool:
        """Return whether only slow jobs and second tries remain; jobs behind a slow one go to other workers."""
        at_work = [worker for worker in self._workers if worker is not None and worker.jobs]
        for worker in at_work:
            if worker.slow:
                self._withdraw_waiting(worker)
        return not self._queued() and all(worker.slow or worker.again for worker in at_work)

    def _queued(self) -> bool:
        return bool(self._shared) or any(self._queues)

    def outcomes(self, wake: int | None = None) -> list[Outcome[J]]:
        """Wait until a job is done, ``wake`` can be read, or a worker is slow or overdue.

        Returns:
            The outcomes of the jobs that are done or given up.

        Raises:
            MedadError: A job raised it on purpose: the run cannot continue.
        """
        self._dispatch()
        pipes = {worker.pipe: number for number, worker in enumerate(self._workers) if worker is not None}
        ready = wait([*pipes, *([] if wake is None else [wake])], self._seconds_to_wait())
        outcomes = [self._received(pipes[pipe]) for pipe in ready if isinstance(pipe, Connection)]
        for number, worker in enumerate(self._workers):
            if worker is None or not worker.jobs:
                continue
            limit = self._limit(worker.jobs[0])
            if time.monotonic() > worker.began + limit:
                outcomes.append(self._end_and_requeue(number, f"reading it took longer than {limit:g} s (timeout)"))
            elif worker.slow:
                self._hand_over(number, worker)
        return [outcome for outcome in outcomes if outcome is not None]

    def _hand_over(self, number: int, worker: Worker[J]) -> None:
        """Give others the jobs that wait behind a slow job, or the parts of the slow job itself if it has several."""
        job = worker.jobs[0]
        parts = [] if job is None or not job.repeatable else job.parts()
        if len(parts) < 2:
            self._withdraw_waiting(worker)
            return
        worker.jobs[0] = None
        self._end_and_requeue(number, "")
        self._shared.extend(parts)

    def _withdraw_waiting(self, worker: Worker[J]) -> None:
        """Give others the jobs behind a slow job. If the worker reaches one of them, its answer is ignored."""
        for place, job in enumerate(worker.jobs):
            if place and job is not None and job.repeatable:
                worker.jobs[place] = None
                self._shared.append(job)

    def _dispatch(self) -> None:
        """Send jobs to workers that have room: second tries first, killed jobs only when no other job is running."""
        if self._alone:
            return
        for number in range(self.count):
            if self._suspects and self._idle(number) and self._room_for_suspects():
                self._send(number, self._suspects.popleft(), again=True)
        for _ in range(AHEAD):  # one for each worker in turn
            for number in range(self.count):
                queue = self._queues[number] or self._shared
                if queue and self._takes(number, queue[0]):
                    self._send(number, queue.popleft())
        if self._killed and not self._at_work():
            self._alone = True
            self._send(0, self._killed.popleft(), again=True)

    def _room_for_suspects(self) -> bool:
        """Return whether another second try may start: one of several workers is reserved for jobs not tried yet."""
        tried = sum(worker is not None and bool(worker.jobs) and worker.again for worker in self._workers)
        return tried < (max(1, self.count - 1) if self._queued() else self.count)

    def _received(self, number: int) -> Outcome[J] | None:
        """Return the outcome of the job that a worker has answered; None if there is none to report."""
        worker = self._workers[number]
        if worker is None:
            return None
        try:
            result = worker.pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            how = worker.how_it_ended()
            return self._end_and_requeue(number, f"reading it ended its process ({how})", killed="SIGKILL" in how)
        job = worker.jobs.popleft()
        worker.began = time.monotonic()
        worker.done += 1
        worker.again = self._alone = False
        if worker.old and not worker.jobs:
            self._end(number)
        if isinstance(result, Raised):
            raise result.error
        return None if job is None else Outcome(job, result, number)

    def _end_and_requeue(self, number: int, reason: str, killed: bool = False) -> Outcome[J] | None:
        """End a worker, and queue its jobs again.

        The job that was running is tried once more; after a second try it is given up, and its outcome returned.
        """
        worker = self._workers[number]
        jobs, again = (deque[J | None](), False) if worker is None else (worker.jobs, worker.again)
        self._end(number)
        guilty = jobs.popleft() if jobs else None
        self._shared.extendleft(job for job in reversed(jobs) if job is not None)
        self._shared.extendleft(reversed(self._queues[number]))
        self._queues[number].clear()
        if guilty is None:
            return None
        if again:
            self._alone = False
            return Outcome(guilty, Lost(f"{reason}, twice"), number)
        (self._killed if killed else self._suspects).extend(guilty.parts())
        return None
