"""What a worker process is: quiet, of one thread, within limits, and gone when its parent is.

Workers are forked, since importing MONAI in each would cost 16 s of a core. Each leads a group, so that the decoder
processes that it starts end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from medad.io.isolation import expendable
from medad.types import MedadError

MEMORY = 8 * 2**30  # bytes that a worker may take beyond what it starts with: four times the largest image
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Raised:
    """An answer that is an error which was raised on purpose."""

    error: MedadError


@dataclass
class Process:
    """A worker process and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def how_it_ended(self) -> str:
        """In words, for a process that has."""
        self.process.join(5)
        code = self.process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Kill it, and whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.pid:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.pipe.close()


def started(make: Callable[[], Callable[[Any], Any]]) -> tuple[BaseProcess, Connection]:
    """Start a process that answers jobs with what ``make()`` gives. No other thread may be at work."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, make), daemon=True)  # type: ignore[attr-defined]
    gc.freeze()  # else a worker's first collection would write to, and so copy, every page that it shares
    try:
        process.start()
    finally:
        gc.unfreeze()
    there.close()
    return process, here


def serve(pipe: Connection, make: Callable[[], Callable[[Any], Any]]) -> None:
    """Answer jobs from ``pipe`` until its other end is closed; an error raised on purpose is answered as ``Raised``."""
    _settle()
    work = make()
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = work(job)
        except MedadError as error:
            answer = Raised(error)
        try:
            pipe.send(answer)
        except OSError:
            return


def _settle() -> None:
    os.setsid()  # Ctrl-C at the terminal is for the parent; and the group is ended as a whole
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:  # a worker that only reads files needs none
        sys.modules["torch"].set_num_threads(1)
    expendable()
    faulthandler.disable()  # a crash is the parent's to tell
    _silence()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _silence() -> None:
    """What decoders print goes nowhere; our log goes where it went."""
    kept = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(kept)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
