"""SIGTERM ends a command as Ctrl-C does: what is done is kept, tables are written, and the exit code says why."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM was received."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise :class:`Terminated` in the block when SIGTERM arrives; a second one does not disturb the cleaning up.

    A process that is forked in the block and has not set a handler of its own ends at once, as by default.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can a handler be set
        yield
        return
    owner = os.getpid()

    def terminate(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        signal.signal(number, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
