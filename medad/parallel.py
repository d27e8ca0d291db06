"""One piece of work for each of many files, over processes; a process that dies costs its file and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from medad.progress import progress

AHEAD = 4  # pieces handed out for each process, so that none waits and memory stays bounded
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Lost:
    """What comes instead of a result where the work killed its process."""

    reason: str = "reading it ended the process that read it"


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[T], R], items: Sequence[T], workers: int, task: str) -> Iterator[tuple[T, R | Lost]]:
    """Items with their results, as they are done, with progress. One worker: in this process.

    ``work`` and items are pickled. The processes are started afresh rather than forked, since forking a process with
    threads may lock it up; so ``work`` should live in a module that imports little.
    """
    with progress(task, len(items)) as advance:
        alone = workers < 2 or len(items) < 2
        for item, result in ((one, work(one)) for one in items) if alone else _shared(work, items, workers):
            advance(1)
            yield item, result


def _shared(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R | Lost]]:
    todo = iter(items)
    while suspects := (yield from _pooled(work, todo, min(workers, len(items)), AHEAD)):
        again = iter(suspects)  # one by one, so that the one that ends its process is known
        while killers := (yield from _pooled(work, again, 1, 1)):
            yield killers[0], Lost()


def _pooled(
    work: Callable[[T], R], todo: Iterator[T], workers: int, ahead: int
) -> Generator[tuple[T, R], None, list[T]]:
    """Results until ``todo`` is empty or a process dies; returns the items that were under way then."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: dict[Future[R], T] = {}
    try:
        while True:
            for item in islice(todo, ahead * workers - len(waiting)):
                waiting[pool.submit(work, item)] = item
            if not waiting:
                return []
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting[future], future.result()
                del waiting[future]
    except BrokenProcessPool:
        return list(waiting.values())
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a new process: leave Ctrl-C to the parent, and end with it, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
