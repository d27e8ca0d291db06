"""The jobs of a pool of workers, their outcomes, and a worker with its jobs."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from medad.io.worker_process import Process

LIFE = 1_000  # jobs after which a worker is replaced, so that memory leaked by decoders does not add up
AHEAD = 4  # jobs that a worker has, including the running one
SLOW = 5.0  # seconds after which no other job waits behind this one


class Job(Protocol):
    """What a worker is asked to do."""

    @property
    def count(self) -> int:
        """Return the number of files that the job reads."""

    @property
    def repeatable(self) -> bool:
        """Return whether two workers may do the job at the same time."""

    def parts(self) -> list[Self]:
        """Return the jobs that are tried one by one after a worker did not survive this one."""


J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class Outcome(Generic[J]):
    """The result of a job, and the number of the worker that did it."""

    job: J
    result: Any
    worker: int


@dataclass
class Worker(Process, Generic[J]):
    """A process with its jobs; None stands for a job that was given to another worker.

    ``again`` is whether the running job is tried for the second time.
    """

    jobs: deque[J | None] = field(default_factory=deque)
    began: float = 0.0
    done: int = 0
    again: bool = False

    @property
    def slow(self) -> bool:
        """Return whether the worker has been busy with its job for longer than expected."""
        return bool(self.jobs) and time.monotonic() > self.slow_from

    @property
    def slow_from(self) -> float:
        """Return the ``time.monotonic()`` from which the worker counts as slow."""
        job = self.jobs[0] if self.jobs else None
        return self.began + SLOW * (1 + (0 if job is None else job.count // 8))

    @property
    def old(self) -> bool:
        """Return whether the worker has done enough jobs and gets no more."""
        return self.done >= LIFE
