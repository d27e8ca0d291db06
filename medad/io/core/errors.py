"""The error that the readers raise, and the context manager that turns library errors into it."""

from __future__ import annotations

import errno
import logging
import lzma
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medad.types import MedadError

log = logging.getLogger(__name__)

_REMEDY = "export the study from its source again"
SPLIT = "store each in a file of its own, or read them one by one: --split of 'medad inspect' and 'medad score'"
# The errors that libraries raise for damaged bytes, with a reason for the sender. The first matching entry is used.
_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (RecursionError, "it is nested too deeply"),
    (UnicodeError, "its text does not have the encoding that it states"),
    (NotImplementedError, "it is of a variant that no decoder here knows"),
    ((zlib.error, lzma.LZMAError), "its compressed data are damaged"),
    ((LookupError, AttributeError), "a part that its format demands is not there"),
    ((ValueError, TypeError, ArithmeticError, struct.error), "its values contradict its format"),
)
_UNAVAILABLE = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN)


class UnreadableImage(MedadError):
    """Raised for a file that cannot be read as an image, or must not be.

    ``kind`` is a short slug ("truncated", "too-large", ...), ``reason`` states what is wrong, and ``remedy`` what to
    do, in words that fit every command and program. ``in_python`` is a remedy for programs only, such as another
    reading setting; it is a note of the exception, which tracebacks show and commands do not. The text contains the
    file's name, and never the value of a patient's tag.
    """

    def __init__(
        self,
        path: Path | str,
        kind: str = "unreadable",
        reason: str = "it cannot be read",
        remedy: str = _REMEDY,
        in_python: str = "",
    ) -> None:
        super().__init__(str(path), kind, reason, remedy, in_python)
        self.path = Path(path)
        self.kind = kind
        self.reason = reason
        self.remedy = remedy
        self.in_python = in_python
        if in_python:
            self.add_note(f"in Python: {in_python}")

    def __str__(self) -> str:
        return f"cannot read {self.path.name}: {self.reason} ({self.kind}); {self.remedy}"

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[str, str, str, str, str]]:
        return type(self), (str(self.path), self.kind, self.reason, self.remedy, self.in_python)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn every error of the block into ``UnreadableImage``, and silence the libraries' warnings.

    Texts of libraries are left out, since they may quote the values of a patient's tags.

    Raises:
        UnreadableImage: The block raised an error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableImage:
        raise
    except (MemoryError, OverflowError):
        reason = "there is not enough memory for what it claims to hold"
        remedy = "use a machine with more, or store it as several smaller files"
        raise UnreadableImage(path, "too-large", reason, remedy) from None
    except FileNotFoundError:
        raise UnreadableImage(path, "missing", "there is no such file", "check the path") from None
    except PermissionError:
        raise UnreadableImage(path, "no-permission", "it may not be opened", "give read permission") from None
    except EOFError:
        raise UnreadableImage(path, "truncated", "it ends before its data do") from None
    except Exception as error:  # broad on purpose: a damaged file makes the libraries raise almost anything
        if isinstance(error, OSError) and error.errno in _UNAVAILABLE:
            reason = "its disk or share does not answer"
            raise UnreadableImage(path, "io-error", reason, "try again once it is back") from None
        log.debug("%s raised over a file", type(error).__name__)
        raise UnreadableImage(path, "corrupt", _described_without_values(error)) from None


def _described_without_values(error: Exception) -> str:
    """Return what is wrong with a file whose reading raised ``error``, without the library's text."""
    return next((words for kinds, words in _WORDS if isinstance(error, kinds)), "its content makes no sense")
