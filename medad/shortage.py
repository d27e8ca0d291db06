"""Errors that say that memory ran out, whichever library raised them, as one error that says what to do."""

from __future__ import annotations

import errno
from concurrent.futures.process import BrokenProcessPool

from medad.types import MedadError

_CLASSES = ("OutOfMemoryError", "ArrowMemoryError")  # of torch, Ray and pyarrow, which are not imported for it
_WORDS = (
    *("not enough memory", "out of memory", "cannot allocate memory", "can't allocate memory", "bad_alloc"),
    *("unable to allocate", "failed to map segment", "can't start new thread", "memory allocation of"),
)


class ShortageError(MedadError):
    """There is not enough memory on this machine for what was asked."""


def shortage_of(error: BaseException) -> ShortageError | None:
    """The error to raise in place of one that says that memory, or room for a process, ran out; None for any other."""
    if isinstance(error, MedadError) or not isinstance(error, Exception) or not _is_shortage(error):
        return None
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    detail = f"{type(error).__name__}: {said[:200]}" if said else type(error).__name__
    return ShortageError(
        f"there is not enough memory for this ({detail}): close other programs, use a machine with more, or ask for "
        "less at a time (a smaller --set batch_size or size, fewer --workers or --threads); the same command goes on "
        "from here"
    )


def _is_shortage(error: Exception) -> bool:
    if isinstance(error, (MemoryError, BrokenProcessPool)):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if any(kind.__name__ in _CLASSES for kind in type(error).__mro__):
        return True
    said = str(error).lower()
    return isinstance(error, (RuntimeError, OSError, ImportError, SystemError)) and any(word in said for word in _WORDS)
