"""Recognize out-of-memory errors of any library and turn them into one error that names the remedies."""

from __future__ import annotations

import errno
from concurrent.futures.process import BrokenProcessPool

from medad.types import MedadError

_CLASSES = ("OutOfMemoryError", "ArrowMemoryError")  # of torch, Ray and pyarrow, compared by name to avoid importing
_WORDS = (
    *("not enough memory", "out of memory", "cannot allocate memory", "can't allocate memory", "bad_alloc"),
    *("unable to allocate", "failed to map segment", "can't start new thread", "memory allocation of"),
)


class ShortageError(MedadError):
    """The machine has too little memory for the task."""


def shortage_of(error: BaseException) -> ShortageError | None:
    """Return the ShortageError to raise in place of ``error`` if memory or processes ran out, else None."""
    if isinstance(error, MedadError) or not isinstance(error, Exception) or not _is_shortage(error):
        return None
    first_line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    detail = f"{type(error).__name__}: {first_line[:200]}" if first_line else type(error).__name__
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
    message = str(error).lower()
    return isinstance(error, (RuntimeError, OSError, ImportError, SystemError)) and any(
        word in message for word in _WORDS
    )
