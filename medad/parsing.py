"""Read untrusted files and parse JSON; every problem raises :class:`ParseError` with its place.

A document is a regular file of limited size in UTF-8. Nesting is limited, so that no parser overflows the stack.
Numbers must be finite and integers must fit into 64 bits. Duplicate keys are refused. YAML has the same rules, in
parsing_yaml.py.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from medad.text import visible
from medad.types import MedadError

JSON_BYTES = 64 * 2**20
SHOWN = 80  # characters of a value that a message quotes
INTEGERS = range(-(2**63), 2**64)
MOST_DIGITS = 20  # of the largest integer in this range


class ParseError(MedadError):
    """The document cannot be read or parsed."""


def read_text(path: Path, limit: int) -> str:
    """Return the text of a regular UTF-8 file of at most ``limit`` bytes, without its byte order mark.

    Raises:
        ParseError: the file cannot be opened, is too large, or is not UTF-8.
    """
    content = read_regular(path, limit)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ParseError(f"{path}, line {line}: not UTF-8: save the file again as UTF-8") from None


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises:
        ParseError: the file cannot be opened, is not a regular file, or is too large.
    """
    with opened(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ParseError(f"{path}: larger than {limit / 2**20:g} MiB, which no file of this kind is")
    return content


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; opening never blocks.

    Raises:
        ParseError: ``path`` does not exist, must not be read, or is a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ParseError(f"{path}: not a regular file")
            yield file
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else error
        raise ParseError(f"{visible(str(path))[:500]}: cannot be read: {reason or error}") from None


def read_json(path: Path, limit: int = JSON_BYTES) -> Any:
    """Return the value in a JSON file.

    Raises:
        ParseError: the file cannot be read, or is not valid JSON.
    """
    return parse_json(read_text(path, limit), str(path))


def parse_json(text: str | bytes, where: str, *, finite: bool = True) -> Any:
    """Return the value in a JSON text; ``where`` names the source in the error.

    Without ``finite``, NaN and Infinity are accepted as numbers.

    Raises:
        ParseError: the text is not valid JSON, or exceeds the limits of this module.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite if finite else float,
            parse_constant=_constant if finite else float,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ParseError(f"{where}: not valid JSON: {error.msg}, {place}") from None
    except RecursionError:
        raise ParseError(f"{where}: nested too deeply for JSON that anybody writes") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ParseError(f"{where}: not valid JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError(f"the key {repeated(key for key, _ in pairs)} is there twice: remove one")
    return values


def repeated(keys: Iterable[Any]) -> str:
    """Return the first key that stands twice, as a message quotes it."""
    listed = list(keys)
    return quoted(next(key for place, key in enumerate(listed) if key in listed[:place]))


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS or int(text) not in INTEGERS:
        raise ValueError(f"an integer of {len(text.lstrip('-'))} digits, which does not fit into 64 bits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {quoted(text)} is too large")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number that JSON knows")


def quoted(value: object) -> str:
    """Return ``value`` as a message quotes it: at most ``SHOWN`` characters of its repr, control characters escaped."""
    text = repr(value[: SHOWN + 1] if isinstance(value, (str, bytes, list, tuple)) else value)
    text = visible(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
