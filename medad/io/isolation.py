"""Running a decoder that can abort the whole process in a forked child, so that damaged data cost one file only."""

from __future__ import annotations

import faulthandler
import json
import math
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import NoReturn

import numpy as np

from medad.io.picture import Array

PATIENCE = 120.0
_HEAD = 128
_expendable = False


def expendable() -> None:
    """Say that this process may die over a file: it is a worker that is replaced, and a child would only cost time."""
    global _expendable
    _expendable = True


def in_child(frames: Callable[[], Iterator[Array]], always: bool = False) -> Iterator[Array]:
    """Yield what ``frames()`` yields, computed in a child process where the system can fork; or here, if this process
    is ``expendable`` and the child is not asked for ``always``.

    Raises:
        RuntimeError: the child died, or took longer than ``PATIENCE`` seconds for a frame.
    """
    if (_expendable and not always) or not hasattr(os, "fork"):
        yield from frames()
        return
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(frames, writer)
    os.close(writer)
    try:
        while (frame := _next(reader)) is not None:
            yield frame
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # does nothing to a child that has ended; one in mid-frame is of no more use
        os.waitpid(child, 0)


def _work(frames: Callable[[], Iterator[Array]], writer: int) -> NoReturn:
    """The child: write each frame as JSON and its bytes, and leave without any clean-up of the parent's."""
    code = 1
    try:
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what a codec prints may not reach the parent's output
        with os.fdopen(writer, "wb") as out:
            for frame in frames():
                out.write(json.dumps([frame.dtype.str, frame.shape]).encode().ljust(_HEAD))
                out.write(np.ascontiguousarray(frame).tobytes())
            out.write(b" " * _HEAD)
        code = 0
    finally:
        os._exit(code)


def _next(reader: int) -> Array | None:
    """The next frame, None after the last."""
    deadline = time.monotonic() + PATIENCE
    head = _exactly(reader, _HEAD, deadline).strip()
    if not head:
        return None
    kind, shape = json.loads(head)
    count = math.prod(shape) * np.dtype(kind).itemsize
    return np.frombuffer(_exactly(reader, count, deadline), kind).reshape(shape)


def _exactly(reader: int, count: int, deadline: float) -> bytes:
    """``count`` bytes from the pipe."""
    parts = []
    while count:
        if not select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise RuntimeError("the decoder takes too long")
        part = os.read(reader, min(count, 2**20))
        if not part:
            raise RuntimeError("the decoder ended its process")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
