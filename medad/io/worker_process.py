"""Start and run a worker process: silent, single-threaded, with a memory limit, and killed with its parent.

Workers are forked, since importing MONAI in each would take 16 s of CPU time. Each leads a process group, so that the
decoder processes that it starts end with it.
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

from medad.io.core.isolation import expendable
from medad.types import MedadError

MEMORY = 8 * 2**30  # bytes that a worker may allocate beyond its start: four times the largest image
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Raised:
    """The answer to a job that raised an error on purpose."""

    error: MedadError


@dataclass
class Process:
    """A worker process and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def how_it_ended(self) -> str:
        """Return the signal or exit code of a process that has ended, in words."""
        self.process.join(5)
        code = self.process.exitcode
        return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Kill the process, and every process that it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.pid:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.pipe.close()


def started(make: Callable[[], Callable[[Any], Any]]) -> tuple[BaseProcess, Connection]:
    """Start a process that answers jobs with the function that ``make()`` returns. No other thread may be running."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    _open_standard_streams()
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, make), daemon=True)  # type: ignore[attr-defined]
    gc.freeze()  # otherwise a worker's first garbage collection writes to every shared page, and so copies it
    try:
        process.start()
    finally:
        gc.unfreeze()
    there.close()
    return process, here


def _open_standard_streams() -> None:
    """Open the null device as each of the descriptors 0 to 2 that is closed, as services may leave them.

    A worker's pipe would get the number otherwise, and the worker redirects these descriptors.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def serve(pipe: Connection, make: Callable[[], Callable[[Any], Any]]) -> None:
    """Answer jobs from ``pipe`` until its other end is closed. A ``MedadError`` is answered as ``Raised``."""
    _configure()
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


def _configure() -> None:
    """Set signals, threads, output and limits of a worker."""
    os.setsid()  # Ctrl-C at the terminal reaches the parent only, and the group can be killed as a whole
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "torch" in sys.modules:  # a worker that only reads files does not import it
        sys.modules["torch"].set_num_threads(1)
    expendable()
    faulthandler.disable()  # the parent reports a crash
    _silence_decoders()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        _, hard_limit = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(
            resource.RLIMIT_AS, (limit if hard_limit == resource.RLIM_INFINITY else min(limit, hard_limit), hard_limit)
        )


def _silence_decoders() -> None:
    """Discard the output of decoders; the log still goes where it went before."""
    log_stream = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.stream = log_stream  # setStream would flush the parent's stream, which may be closed
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
