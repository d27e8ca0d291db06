"""The processes of a pool: start them, send them jobs and end them.

A job is sent ahead only if it is small. Otherwise a worker that waits to send a large result could meet a parent that
waits to send a large job.
"""

from __future__ import annotations

import contextlib
import pickle
import time
from collections.abc import Callable
from typing import Any, Generic

from medad.io.pool_jobs import AHEAD, J, Worker
from medad.io.worker_process import started

SMALL = 32 * 1024  # bytes: AHEAD of them fit into a socket's buffer


class PoolWorkers(Generic[J]):
    """Up to ``count`` workers, each of which is started by its first job. ``make`` and ``timeout``: see ``Pool``."""

    def __init__(self, count: int, make: Callable[[], Callable[[J], Any]], timeout: float) -> None:
        self.count = count
        self.timeout = timeout
        self.quiet: Callable[[], None] = lambda: None
        self._make = make
        self._workers: list[Worker[J] | None] = [None] * count

    def close(self) -> None:
        """Kill all workers at once, whatever they are doing."""
        for number in range(self.count):
            self._end(number)

    def _at_work(self) -> int:
        return sum(len(worker.jobs) for worker in self._workers if worker is not None)

    def _limit(self, job: J | None) -> float:
        """Return the seconds allowed for a job."""
        return self.timeout * (1 + (0 if job is None else job.count) // 100)

    def _seconds_to_wait(self) -> float | None:
        """Return the seconds until the next worker is slow or overdue; None if no worker has a job."""
        now = time.monotonic()
        ends = [
            worker.began + self._limit(worker.jobs[0]) if worker.slow else worker.slow_from
            for worker in self._workers
            if worker is not None and worker.jobs
        ]
        return max(0.0, min(ends) - now) + 0.01 if ends else None

    def _idle(self, number: int) -> bool:
        worker = self._workers[number]
        return worker is None or not worker.jobs

    def _takes(self, number: int, job: J) -> bool:
        """Return whether a worker takes another job now."""
        worker = self._workers[number]
        if worker is None or not worker.jobs:
            return True
        if worker.old or worker.again or worker.slow:
            return False
        return len(worker.jobs) < AHEAD and len(pickle.dumps(job)) < SMALL

    def _send(self, number: int, job: J, again: bool = False) -> None:
        """Send a job to a worker, which is started if there is none. ``again`` marks a second try."""
        worker = self._workers[number] or self._started(number)
        if not worker.jobs:
            worker.began = time.monotonic()
        worker.jobs.append(job)
        worker.again = again
        with contextlib.suppress(OSError):  # the worker is dead: reading its pipe will tell
            worker.pipe.send(job)

    def _started(self, number: int) -> Worker[J]:
        self.quiet()
        worker = self._workers[number] = Worker(*started(self._make))
        return worker

    def _end(self, number: int) -> None:
        worker = self._workers[number]
        if worker is None:
            return
        self._workers[number] = None
        worker.end()
