"""Write files atomically.

Every file that medad writes goes through :func:`writing`: the content goes to a temporary file in the same folder,
which then replaces the target. A reader never sees half a file, and a failed write leaves the previous file unchanged.
Text in CSV tables is guarded by ``medad.text``.
"""

from __future__ import annotations

import csv
import errno
import hashlib
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
STALE_SECONDS = 24 * 3600.0  # a temporary file that has not changed for so long belongs to no running write
_NAME_CHARACTERS = 50  # of the target's name in that of the temporary file: at 4 bytes each, below the limit of 255
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
    """The file cannot be written; a previous file of this name is unchanged."""


@contextmanager
def writing(path: Path, *, durable: bool = False, exclusive: bool = False) -> Iterator[Path]:
    """Yield the path of a temporary file beside ``path``, which replaces ``path`` if the block ends without an error.

    The temporary name ends like that of ``path``, for libraries that infer the format from it, and it is unique for
    each writer. With ``exclusive``, the caller holds a lock on the folder: the name is always ``.part-NAME``, and a
    file that a killed process left there is overwritten. With ``durable``, the content is flushed to the disk before
    the replacement and survives a power failure.

    Raises:
        WriteError: the operating system refuses, for example because the disk is full.
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
    """Return the error message for a write that the operating system refused, with a remedy."""
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
    """Remove temporary files that killed processes left in ``folder`` more than a day ago; once in each process."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if re.match(rf"{re.escape(PART)}[0-9a-f]{{8}}-", entry.name):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_SECONDS:
                        Path(entry.path).unlink()


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write ``content`` atomically.

    Raises:
        WriteError: the operating system refuses.
    """
    with writing(path, durable=durable) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Write ``text`` as UTF-8, atomically.

    Raises:
        WriteError: the operating system refuses.
    """
    write_bytes(path, text.encode("utf-8"), durable=durable)


def write_json(path: Path, value: Any, *, indent: int | None = 2, durable: bool = False) -> None:
    """Write ``value`` as JSON, atomically.

    Raises:
        WriteError: the operating system refuses.
        ValueError: ``value`` contains a number that is not finite.
    """
    write_text(path, json.dumps(value, indent=indent, allow_nan=False) + "\n", durable=durable)


def write_csv(path: Path, headings: Sequence[str], rows: Iterable[Sequence[object]], *, exact: bool = False) -> None:
    """Write a table atomically, with text cells guarded against formulas.

    ``exact`` is for tables that medad reads back, such as a manifest: control characters stay as they are, and
    :func:`medad.text.unguarded` restores every text. Without ``exact``, control characters are escaped.

    Raises:
        WriteError: the operating system refuses.
    """
    text = guarded if exact else cell
    with writing(path) as part, part.open("w", encoding="utf-8", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([text(heading) for heading in headings])
        writer.writerows([text(str(value)) if exact else cell(value) for value in row] for row in rows)


def write_records(path: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write mappings as a table with a column for each key, in the order in which the keys first appear.

    Raises:
        WriteError: the operating system refuses.
    """
    headings = list(dict.fromkeys(key for record in records for key in record))
    write_csv(path, headings, ([record.get(key) for key in headings] for record in records))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of the file's content, in hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
