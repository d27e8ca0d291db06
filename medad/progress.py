"""Report the progress of long tasks: a bar with the remaining time on a terminal, else a parseable log line."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from medad.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0

Advance = Callable[[int], None]
_lock = threading.Lock()
_bars: Progress | None = None
_open = 0


@contextmanager
def progress(task: str, total: int | None) -> Iterator[Advance]:
    """Report the progress of ``task``: ``with progress("train", 100) as advance: advance(1)``.

    Calls may be nested, and ``advance`` may be called from several threads. ``total`` is None if the amount of work is
    not known yet.
    """
    reporter = _on_terminal(task, total) if sys.stderr.isatty() else _as_lines(task, total)
    with reporter as advance:
        yield advance


@contextmanager
def _on_terminal(task: str, total: int | None) -> Iterator[Advance]:
    global _bars, _open
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with _lock:
        if _bars is None:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            _bars = Progress(*columns, console=Console(stderr=True), transient=True)
            _bars.start()
        bars, _open = _bars, _open + 1
    row = bars.add_task(visible(task), total=total)
    try:
        yield partial(bars.advance, row)
    finally:
        bars.remove_task(row)
        with _lock:
            _open -= 1
            if _open == 0:
                bars.stop()
                _bars = None


@contextmanager
def _as_lines(task: str, total: int | None) -> Iterator[Advance]:
    began = last = time.monotonic()
    done = 0
    lock = threading.Lock()

    def advance(count: int) -> None:
        nonlocal done, last
        with lock:
            done += count
            now = time.monotonic()
            if now - last >= SECONDS_BETWEEN_LINES or (done == total and last > began):
                last = now
                log.info('progress task="%s" done=%d%s', visible(task), done, _outlook(done, total, now - began))

    yield advance


def _outlook(done: int, total: int | None, elapsed: float) -> str:
    if total is None:
        return f" elapsed_s={elapsed:.0f}"
    remaining = elapsed * max(total - done, 0) / max(done, 1)
    return f" total={total} elapsed_s={elapsed:.0f} left_s={remaining:.0f}"
