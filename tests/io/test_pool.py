"""Worker processes: what a slow job, and one that ends its process, cost the others."""

from __future__ import annotations

import io
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from medad.io import pool_jobs as pools
from medad.io.pool import Lost, Pool

QUICK = 0.1


@dataclass(frozen=True)
class Task:
    """Sleeps for some seconds, or ends its process by a signal."""

    name: str
    seconds: float = QUICK
    signal: int = 0
    count: ClassVar[int] = 1
    repeatable: ClassVar[bool] = True

    def parts(self) -> list[Task]:
        return [self]


def worker() -> Callable[[Task], tuple[str, float]]:
    def work(task: Task) -> tuple[str, float]:
        if task.signal:
            os.kill(os.getpid(), task.signal)
        time.sleep(task.seconds)
        return task.name, time.monotonic()

    return work


def done(tasks: list[Task], timeout: float, count: int = 2) -> tuple[dict[str, object], dict[str, float]]:
    """What came of the tasks, and after how many seconds."""
    pool: Pool[Task] = Pool(count, worker, timeout)
    began = time.monotonic()
    results, times = {}, {}
    for outcome in pool.each(tasks):
        results[outcome.job.name] = outcome.result
        times[outcome.job.name] = time.monotonic() - began
    pool.close()
    return results, times


def test_the_second_try_of_a_slow_job_runs_beside_the_others() -> None:
    """The first try and the second last as long as the others do: 40 for two workers, one of which is slow twice."""
    tasks = [Task("slow", 60), *(Task(f"{index}") for index in range(40))]
    results, times = done(tasks, timeout=1.0)
    assert isinstance(results["slow"], Lost)
    assert results["slow"].reason.endswith("(timeout), twice")
    assert len(results) == 41
    assert times["slow"] < max(times[f"{index}"] for index in range(40))


def test_what_waits_behind_a_slow_job_is_done_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SLOW", 0.3)
    results, times = done([Task("slow", 2.5), *(Task(f"{index}", 0.01) for index in range(12))], timeout=20)
    assert [name for name, _ in sorted(times.items(), key=lambda pair: pair[1])][-1] == "slow"
    assert max(times[f"{index}"] for index in range(12)) < 2
    assert len(results) == 13


def test_a_slow_job_that_ends_after_all_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SLOW", 0.2)
    pool: Pool[Task] = Pool(2, worker, 20)
    tasks = [Task("slow", 1.0), *(Task(f"{index}", 0.05) for index in range(60))]
    names = [outcome.job.name for outcome in pool.each(tasks)]
    pool.close()
    assert sorted(names) == sorted(task.name for task in tasks)


def test_slow_jobs_are_left_behind_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SLOW", 0.2)
    pool: Pool[Task] = Pool(2, worker, 1.0)
    early = {outcome.job.name for outcome in pool.each([Task("slow", 60), Task("a"), Task("b")], leave_slow=True)}
    assert early == {"a", "b"}
    late = {outcome.job.name: outcome.result for outcome in pool.each([Task("c"), Task("d")])}
    pool.close()
    assert set(late) == {"slow", "c", "d"}
    assert isinstance(late["slow"], Lost)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL], ids=["crash", "no memory"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_job_that_ends_its_process_costs_itself_only(number: int, count: int) -> None:
    tasks = [*(Task(f"{index}", 0.01) for index in range(9)), Task("deadly", signal=number)]
    results, _ = done(tasks[::-1], timeout=20, count=count)
    assert isinstance(results["deadly"], Lost)
    assert results["deadly"].reason.endswith("twice")
    assert sum(not isinstance(result, Lost) for result in results.values()) == 9


@pytest.mark.parametrize("closed", ["the log's stream", "standard error"])
def test_workers_start_where_the_parent_cannot_write(closed: str) -> None:
    """A service may have closed standard error, and a program the stream that its log went to."""
    stream = io.StringIO("not flushed")
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    end = os.dup(2)
    try:
        stream.close()
        if closed == "standard error":
            os.close(2)
        result = done([Task("one")], timeout=30.0)[0]["one"]
    finally:
        os.dup2(end, 2)
        os.close(end)
        logging.getLogger().removeHandler(handler)
    assert isinstance(result, tuple), result


def test_results_in_the_order_of_their_jobs() -> None:
    tasks = [Task(f"{index}", 0.3 if index % 4 == 0 else 0.01) for index in range(12)]
    pool: Pool[Task] = Pool(3, worker, 20)
    assert [job.name for job, _ in pool.in_order(iter(tasks))] == [task.name for task in tasks]
    pool.close()


@dataclass(frozen=True)
class Tasks:
    """Several tasks that are done together."""

    tasks: tuple[Task, ...]
    repeatable: ClassVar[bool] = True

    @property
    def count(self) -> int:
        return len(self.tasks)

    def parts(self) -> list[Tasks]:
        return [Tasks((task,)) for task in self.tasks]


def test_what_is_done_together_with_a_slow_task_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SLOW", 0.2)

    def several() -> Callable[[Tasks], list[tuple[str, float]]]:
        return lambda job: [worker()(task) for task in job.tasks]

    pool: Pool[Tasks] = Pool(2, several, 20)
    job = Tasks((Task("slow", 60), *(Task(f"{index}", 0.01) for index in range(6))))
    done = [task.name for outcome in pool.each([job], leave_slow=True) for task in outcome.job.tasks]
    pool.close()
    assert sorted(done) == [f"{index}" for index in range(6)]
