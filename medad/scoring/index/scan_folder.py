"""Scan a folder, and note in the ledger which files are new, changed or deleted since the last scan.

A file counts as deleted only if its folder was readable and no longer lists it. If a network share goes offline, no
result is lost: the ledger keeps the entries of files and folders that cannot be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from medad.io.core.errors import UnreadableImage
from medad.io.core.folder import below, relative
from medad.progress import progress
from medad.scoring.core.settings import FolderAway
from medad.scoring.index.file_info import explained
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.stamps import stamp_of
from medad.types import Skipped

PAGE = 512
OF_A_FILE = (
    "(size, mtime) != (0, 0)"  # rows of files, and not of folders, links or paths whose status could not be read
)
_NEW_FILE = """INSERT INTO files (path, size, mtime, ctime, run, since, look, reason, kind)
    VALUES (?, ?, ?, ?, ?5, ?5, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET run = excluded.run"""
_CHANGED = "DELETE FROM files WHERE path = ? AND (size, mtime, ctime) != (?, ?, ?)"
# Clears what a look into a file has entered. ``mark`` and ``content`` stay: the next look compares ``mark``, and
# ``content`` remains valid if that is equal.
UNLOOKED = """look = NULL, reason = NULL, kind = NULL, instance = NULL, series = NULL, place = NULL, level = NULL,
    study_uid = NULL, series_uid = NULL, instance_uid = NULL, session = NULL, again = NULL"""
# Files that were never looked into have no row in the table; they are found again when their folder can be read.
_BELOW = "UPDATE files SET run = ? WHERE path > ? AND path < ? AND look IS NOT NULL"

Noted = tuple[bytes, int, int, int, str | None, str, str]  # name, stamp, look, reason, kind
Item = TypeVar("Item")


def walk(ledger: Ledger, root: Path, base: Path, run: int, leave_out: Path, follow: bool = False) -> None:
    """Enter every file below ``root`` with the number ``run``, by its path relative to ``base``; drop deleted files.

    ``leave_out`` is a folder that is not scanned. ``follow``: follow links that lead out of ``root``.

    Raises:
        FolderAway: ``root`` cannot be read, or holds no file any more. No study has changed.
    """
    with progress("find files", None) as advance:
        entries = below(root, in_order=False, leave_out=leave_out, follow_links=follow)
        for page in _pages(_noted(entry, root, base) for entry in entries):
            _enter(ledger, page, run)
            advance(len(page))
    _refuse_emptied(ledger, root, run)
    with ledger.writing() as database:
        database.execute("DELETE FROM files WHERE run != ?", (run,))
        database.execute(f"UPDATE files SET {UNLOOKED} WHERE again")
        database.execute(f"PRAGMA user_version = {run}")


def name_of(path: Path, base: Path) -> bytes:
    """Return the name of a file in the ledger: its path relative to ``base``, as bytes."""
    return os.fsencode(relative(path, base)) or b"."


def _enter(ledger: Ledger, page: list[Noted], run: int) -> None:
    """Enter a page of files; files below unreadable folders are entered as they were before."""
    readable = [row for row in page if row[4] != "failed"]
    unreadable = [row[0] for row in page if row[4] == "failed"]
    with ledger.writing() as database:
        database.executemany(_CHANGED, [row[:4] for row in readable])
        database.executemany(_NEW_FILE, [(*row[:4], run, *row[4:]) for row in page])
        # The names of files in a folder lie between "name/" and "name0": "0" is the character after "/".
        database.executemany(_BELOW, [(run, name + b"/", name + b"0") for name in unreadable])
        # If a run stops during its scan, the next run must have another number: otherwise it would count files as
        # found that only the stopped run had found.
        database.execute(f"PRAGMA user_version = {run}")


def _noted(entry: Path | Skipped | UnreadableImage, root: Path, base: Path) -> Noted:
    """Return the row of a path that the scan has found.

    Raises:
        FolderAway: ``root`` cannot be read.
    """
    if isinstance(entry, Path):
        try:
            return name_of(entry, base), *stamp_of(entry), None, "", ""
        except OSError:
            reason = "it was deleted while the folder was read (missing)"
            return name_of(entry, base), 0, 0, 0, "failed", reason, "missing"
    if isinstance(entry, Skipped):
        return name_of(entry.path, base), 0, 0, 0, "skipped", entry.reason, entry.kind
    if entry.path == root:
        raise FolderAway(
            f"{root} cannot be read ({entry.kind}): its share may be away. All results stay as they are, and the same "
            "command goes on once it is back"
        )
    return name_of(entry.path, base), 0, 0, 0, "failed", explained(entry), entry.kind


def _refuse_emptied(ledger: Ledger, root: Path, run: int) -> None:
    """Refuse a folder that held files before and holds none now.

    A mount point whose share is offline is an empty folder, like one whose files were deleted. A wrong refusal costs
    one more command, and a wrong acceptance costs all results. A folder with at least one file is accepted, also if
    files were kept only because they cannot be read.

    Raises:
        FolderAway: the ledger has files of earlier runs, and this run found none.
    """
    database = ledger.database
    if database.execute(f"SELECT 1 FROM files WHERE run = ? AND {OF_A_FILE} LIMIT 1", (run,)).fetchone():
        return
    if missing := database.execute(f"SELECT count(*) FROM files WHERE {OF_A_FILE}").fetchone()[0]:
        raise FolderAway(
            f"{root} holds no file, and held {missing} before: is its share mounted? All results stay as they are, and "
            "the same command goes on once there are files; --restart forgets the results"
        )


def _pages(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Return ``items`` in lists of at most ``PAGE``."""
    waiting = iter(items)
    while page := list(islice(waiting, PAGE)):
        yield page
