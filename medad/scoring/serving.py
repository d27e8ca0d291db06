"""What a worker process is: quiet, of one thread, within limits, and gone when its parent is."""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from medad.types import MedadError

MEMORY = 8 * 2**30  # bytes that a worker may take beyond what it starts with: four times the largest image
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def serve(pipe: Connection, make: Callable[[], Callable[[Any], Any]]) -> None:
    """Answer jobs from ``pipe`` until its other end is closed; an error raised on purpose is an answer."""
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
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return


def _settle() -> None:
    os.setsid()  # Ctrl-C at the terminal is for the parent; and the group is ended as a whole
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
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
