"""Run a function on many items in several processes; a process that dies loses its own item only."""

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

AHEAD = 4  # items queued for each process: enough that none waits, few enough to bound memory
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Lost:
    """The result of an item or job that no process survived, for example because a decoder crashed, with the reason."""

    reason: str = "reading it ended the process that read it"


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(work: Callable[[T], R], items: Sequence[T], workers: int, task: str) -> Iterator[tuple[T, R | Lost]]:
    """Yield each item with its result, in the order in which the results arrive, and report progress.

    With fewer than two workers or items, the work runs in this process. ``work`` and the items are pickled. Processes
    are spawned, not forked, since forking a process that has threads may deadlock; ``work`` should therefore be defined
    in a module with few imports.
    """
    with progress(task, len(items)) as advance:
        alone = workers < 2 or len(items) < 2
        for item, result in ((item, work(item)) for item in items) if alone else _shared(work, items, workers):
            advance(1)
            yield item, result


def _shared(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R | Lost]]:
    todo = iter(items)
    while suspects := (yield from _pooled(work, todo, min(workers, len(items)), AHEAD)):
        again = iter(suspects)  # one at a time, to identify the item that ends its process
        while killers := (yield from _pooled(work, again, 1, 1)):
            yield killers[0], Lost()


def _pooled(
    work: Callable[[T], R], todo: Iterator[T], workers: int, ahead: int
) -> Generator[tuple[T, R], None, list[T]]:
    """Yield results until ``todo`` is empty or a process dies; return the items that were in progress then."""
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
    """Set up a new process: ignore Ctrl-C, which the parent handles, and exit when the parent exits or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
