"""Run a decoder that can abort the process in a forked child, so that damaged data cost one file only."""

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

from medad.io.core.picture import Array

PATIENCE = 120.0
_HEADER_BYTES = 128
_expendable = False


def expendable() -> None:
    """Allow decoders to crash this process: it is a worker that is replaced, so ``in_child`` need not fork."""
    global _expendable
    _expendable = True


def in_child(frames: Callable[[], Iterator[Array]], always: bool = False) -> Iterator[Array]:
    """Yield the frames of ``frames()``, computed in a child process where the system can fork.

    They are computed in this process if it is ``expendable``, unless ``always`` asks for a child.

    Raises:
        RuntimeError: The child died, or took longer than ``PATIENCE`` seconds for a frame.
    """
    if (_expendable and not always) or not hasattr(os, "fork"):
        yield from frames()
        return
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _write_frames(frames, writer)
    os.close(writer)
    try:
        while (frame := _next_frame(reader)) is not None:
            yield frame
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # a child that has ended is not affected; a frame in work is not needed
        os.waitpid(child, 0)


def _write_frames(frames: Callable[[], Iterator[Array]], writer: int) -> NoReturn:
    """Write each frame as JSON and its bytes, and exit without the parent's clean-up. Runs in the child."""
    code = 1
    try:
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # keep what a codec prints out of the parent's output
        with os.fdopen(writer, "wb") as out:
            for frame in frames():
                out.write(json.dumps([frame.dtype.str, frame.shape]).encode().ljust(_HEADER_BYTES))
                out.write(np.ascontiguousarray(frame).tobytes())
            out.write(b" " * _HEADER_BYTES)
        code = 0
    finally:
        os._exit(code)


def _next_frame(reader: int) -> Array | None:
    """Return the next frame, None after the last."""
    deadline = time.monotonic() + PATIENCE
    head = _read_exactly(reader, _HEADER_BYTES, deadline).strip()
    if not head:
        return None
    kind, shape = json.loads(head)
    count = math.prod(shape) * np.dtype(kind).itemsize
    return np.frombuffer(_read_exactly(reader, count, deadline), kind).reshape(shape)


def _read_exactly(reader: int, count: int, deadline: float) -> bytes:
    """Read ``count`` bytes from the pipe.

    Raises:
        RuntimeError: The deadline (``time.monotonic()``) has passed, or the child has ended.
    """
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
