"""What a pool of workers is given, what comes of it, and a worker with the jobs that it has."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from medad.io.worker_process import Process

LIFE = 1_000  # jobs after which a worker makes room for a new one: what decoders leave behind must not add up
SLOW = 5.0  # seconds after which nothing is to wait for a job


class Job(Protocol):
    """What a worker is given."""

    @property
    def count(self) -> int:
        """How many files it reads."""

    @property
    def repeatable(self) -> bool:
        """Whether two workers may do it at the same time."""

    def parts(self) -> list[Self]:
        """What is tried one by one when a worker did not survive it."""


J = TypeVar("J", bound=Job)


@dataclass(frozen=True)
class Lost:
    """A job that no worker survived, and why."""

    reason: str


@dataclass(frozen=True)
class Outcome(Generic[J]):
    """What came of a job, and the worker that did it."""

    job: J
    result: Any
    worker: int


@dataclass
class Worker(Process, Generic[J]):
    """A process with the jobs that it has, None for those that others do now; ``again``: the one that it is at is
    tried for the second time."""

    jobs: deque[J | None] = field(default_factory=deque)
    began: float = 0.0
    done: int = 0
    again: bool = False

    @property
    def slow(self) -> bool:
        """Whether it has been at one job for long."""
        return bool(self.jobs) and time.monotonic() > self.slow_from

    @property
    def slow_from(self) -> float:
        """When it will have been."""
        job = self.jobs[0] if self.jobs else None
        return self.began + SLOW * (1 + (0 if job is None else job.count // 8))

    @property
    def old(self) -> bool:
        """Whether it gets no more jobs."""
        return self.done >= LIFE
