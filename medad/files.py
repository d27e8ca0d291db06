"""How medad writes files: whole or not at all.

Every file that medad writes goes through :func:`writing`: the content is written beside its place under another name
and takes its place at the end, so that a reader never meets half a file and a failed write costs no earlier one. Text
in a CSV table is guarded by ``medad.text``.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from medad.text import cell, guarded
from medad.types import MedadError

PART = ".part-"
STALE_SECONDS = 24 * 3600.0  # no write takes so long without touching its file
_NAME_CHARACTERS = 50  # of a file's name that its part bears too: 4 bytes each stay below the 255 of a file system
_REMEDIES = {
    errno.ENOSPC: "free some space on that disk",
    errno.EDQUOT: "free some space, your quota is used up",
    errno.EACCES: "give write permission, or choose another folder",
    errno.EPERM: "give write permission, or choose another folder",
    errno.EROFS: "choose a folder that can be written",
    errno.EISDIR: "there is a folder of that name: remove it, or choose another name",
    errno.ENOTDIR: "a part of that path is a file: choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class WriteError(MedadError, OSError):
    """A file that cannot be written; what was there under its name is as it was."""


@contextmanager
def writing(path: Path, *, durable: bool = False, exclusive: bool = False) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; when the block ends without an error, that file takes the place.

    The yielded name ends like that of ``path``, for libraries that tell the format from it, and no two writers share
    one. ``exclusive``: the caller has locked the folder, so the name is always ``.part-NAME`` and what a killed
    process left there is overwritten. ``durable``: the content is on the disk before it takes the place, and survives
    a power failure.

    Raises:
        WriteError: the system refuses, for example because the disk is full.
    """
    part = path.with_name(f"{PART}{path.name}" if exclusive else _part_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not exclusive:
            _sweep(path.parent)
        yield part
        if durable:
            _sync(part, os.O_RDWR)
        part.replace(path)
        if durable:
            _sync(path.parent, os.O_RDONLY)
    except WriteError:  # of another file, written in the block
        _discard(part)
        raise
    except OSError as error:
        _discard(part)
        raise WriteError(write_failure(path, error)) from None
    except BaseException:
        _discard(part)
        raise


def write_failure(path: Path, error: OSError) -> str:
    """The sentence for a write that the system refused."""
    remedy = _REMEDIES.get(error.errno or 0, "mend the cause")
    return f"{path} cannot be written: {error.strerror or error}; {remedy}, and give the same command again"


def _part_name(name: str) -> str:
    return f"{PART}{secrets.token_hex(4)}-{name[-_NAME_CHARACTERS:]}"


def _discard(part: Path) -> None:
    with suppress(OSError):
        part.unlink(missing_ok=True)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _sweep(folder: Path) -> None:
    """Remove parts that killed processes left in ``folder`` more than a day ago; once in each process."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if re.match(rf"{re.escape(PART)}[0-9a-f]{{8}}-", entry.name):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_SECONDS:
                        Path(entry.path).unlink()


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write ``content``, whole or not at all.

    Raises:
        WriteError: the system refuses.
    """
    with writing(path, durable=durable) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write ``text`` as UTF-8, whole or not at all.

    Raises:
        WriteError: the system refuses.
    """
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_json(path: Path, value: Any, *, indent: int | None = 2, durable: bool = False) -> None:
    """Write ``value`` as JSON, whole or not at all.

    Raises:
        WriteError: the system refuses.
        ValueError: there is a number in it that is not finite.
    """
    write_text(path, json.dumps(value, indent=indent, allow_nan=False) + "\n", durable=durable)


def write_csv(path: Path, headings: Sequence[str], rows: Iterable[Sequence[object]], *, exact: bool = False) -> None:
    """Write a table, whole or not at all, with its text guarded.

    ``exact`` is for tables that medad reads back, such as a manifest: control characters stay as they are, and
    :func:`unguarded` gives every text again. Everywhere else they are made visible.

    Raises:
        WriteError: the system refuses.
    """
    text = guarded if exact else cell
    with writing(path) as part, part.open("w", encoding="utf-8", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([text(heading) for heading in headings])
        writer.writerows([text(str(value)) if exact else cell(value) for value in row] for row in rows)


def write_records(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write mappings as a table: a column for each key, in the order in which the keys appear.

    Raises:
        WriteError: the system refuses.
    """
    headings = list(dict.fromkeys(key for record in records for key in record))
    write_csv(path, headings, ([record.get(key) for key in headings] for record in records))
