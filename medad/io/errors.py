"""The one exception family that leaves the readers, and the boundary that turns library errors into it."""

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
# What libraries raise over damaged bytes, in words for whoever sent them. The first kind that fits counts.
_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (RecursionError, "it is nested too deeply"),
    (UnicodeError, "its text does not have the encoding that it states"),
    (NotImplementedError, "it is of a variant that no decoder here knows"),
    ((zlib.error, lzma.LZMAError), "its compressed data are damaged"),
    ((LookupError, AttributeError), "a part that its format demands is not there"),
    ((ValueError, TypeError, ArithmeticError, struct.error), "its values contradict its format"),
)
_AWAY = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN)


class UnreadableImage(MedadError):
    """A file that cannot be read as an image, or must not be.

    ``kind`` is a short slug ("truncated", "too-large", ...), ``reason`` says what was wrong and ``remedy`` what to do:
    something that can be done whichever command, or program, met the file. What only a program can do, such as another
    reading setting, is ``in_python``; it is a note of the exception, which tracebacks show and commands do not.
    No value of a patient's tag is ever put into the text; the file's name is.
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
    """Let only ``UnreadableImage`` out of the block, and none of the libraries' warnings, which quote tags' values.

    Raises:
        UnreadableImage: whatever the block raised; a library's text is left out, for it may quote a patient's tags.
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
        if isinstance(error, OSError) and error.errno in _AWAY:
            reason = "its disk or share does not answer"
            raise UnreadableImage(path, "io-error", reason, "try again once it is back") from None
        log.debug("%s raised over a file", type(error).__name__)
        raise UnreadableImage(path, "corrupt", _described(error)) from None


def _described(error: Exception) -> str:
    """What is wrong with a file whose reading raised ``error``, without the text of a library."""
    return next((words for kinds, words in _WORDS if isinstance(error, kinds)), "its content makes no sense")
