"""Parse untrusted JSON and YAML; every problem raises :class:`ParseError` with its place.

A document is a regular file of limited size in UTF-8. Nesting is limited, so that no parser overflows the stack.
Numbers must be finite and integers must fit into 64 bits. Duplicate keys are refused, and so are YAML anchors, since a
few lines of them can expand to gigabytes.
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

import yaml

from medad.text import visible
from medad.types import MedadError

JSON_BYTES = 64 * 2**20
YAML_BYTES = 2**20
DEPTH = 64
YAML_EVENTS = 50_000
SHOWN = 80  # characters of a value that a message quotes
_INTEGERS = range(-(2**63), 2**64)
_DIGITS = 20  # of the largest integer in this range


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
        raise ValueError(f"the key {_twice(key for key, _ in pairs)} is there twice: remove one")
    return values


def _twice(keys: Iterable[Any]) -> str:
    listed = list(keys)
    return quoted(next(key for place, key in enumerate(listed) if key in listed[:place]))


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _DIGITS or int(text) not in _INTEGERS:
        raise ValueError(f"an integer of {len(text.lstrip('-'))} digits, which does not fit into 64 bits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {quoted(text)} is too large")
    return value


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number that JSON knows")


def read_yaml(path: Path, limit: int = YAML_BYTES) -> Any:
    """Return the value in a YAML file.

    Raises:
        ParseError: the file cannot be read, or is not valid YAML.
    """
    return parse_yaml(read_text(path, limit), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the value in a YAML text of one document; ``where`` names the source in the error.

    Raises:
        ParseError: the text is not valid YAML, or exceeds the limits of this module.
    """
    try:
        _check_events(text)
        value = yaml.load(text, _Loader)
        _check_numbers(value)
    except yaml.YAMLError as error:
        raise ParseError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # such as a date of the 40th of May
        raise ParseError(f"{where}: not valid YAML: {error}") from None
    return value


class _Loader(yaml.SafeLoader):
    """A safe YAML loader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of ``node``. Raises ValueError for a duplicate key."""
        values = super().construct_mapping(node, deep=deep)
        if len(values) < len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            raise ValueError(f"the key {_twice(keys)} is there twice: remove one")
        return values


def _check_events(text: str) -> None:
    """Refuse text that is nested too deeply, is too long or has anchors, before values are built from it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            line = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
            raise ValueError(f"{line}anchors and aliases (& and *) are not read: write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH or number > YAML_EVENTS:
            raise ValueError("nested too deeply, or too long, for settings that anybody writes")


def _check_numbers(value: Any) -> None:
    if isinstance(value, dict):
        for part in (*value.keys(), *value.values()):
            _check_numbers(part)
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            _check_numbers(part)
    elif isinstance(value, int) and value not in _INTEGERS:
        raise ValueError("an integer that does not fit into 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")


def quoted(value: object) -> str:
    """Return ``value`` as a message quotes it: at most ``SHOWN`` characters of its repr, control characters escaped."""
    text = repr(value[: SHOWN + 1] if isinstance(value, (str, bytes, list, tuple)) else value)
    text = visible(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
