"""What lies in a folder, noted in the ledger: new, changed or gone since the walk before.

Gone is only what a folder that can be read does not list any more. A share that drops out must cost nothing: where a
folder or a file cannot be asked, what is known of it stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from medad.io.discovery import below, relative
from medad.io.errors import UnreadableImage
from medad.progress import progress
from medad.scoring.index.file_info import explained
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.stamps import stamp_of
from medad.scoring.settings import FolderAway
from medad.types import Skipped

PAGE = 512
OF_A_FILE = "(size, mtime) != (0, 0)"  # and not of a folder, a link or what could not be asked
_NEW_FILE = """INSERT INTO files (path, size, mtime, ctime, run, since, look, reason, kind)
    VALUES (?, ?, ?, ?, ?5, ?5, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET run = excluded.run"""
_CHANGED = "DELETE FROM files WHERE path = ? AND (size, mtime, ctime) != (?, ?, ?)"
# All that a look into a file has entered; the next look compares with ``mark``, and ``content`` holds if that is equal.
UNLOOKED = """look = NULL, reason = NULL, kind = NULL, instance = NULL, series = NULL, place = NULL, uid = NULL,
    session = NULL, again = NULL"""
# What was never looked into has no row in the table, and is found again with its folder.
_BELOW = "UPDATE files SET run = ? WHERE path > ? AND path < ? AND look IS NOT NULL"

Noted = tuple[bytes, int, int, int, str | None, str, str]  # name, stamp, look, reason, kind
Item = TypeVar("Item")


def walk(ledger: Ledger, root: Path, base: Path, run: int, leave_out: Path, follow: bool = False) -> None:
    """Note every file below ``root`` as seen in this ``run``, by its name below ``base``, and forget what is gone.

    ``follow`` links that lead out of ``root``.

    Raises:
        FolderAway: the root cannot be read, or holds no file any more. No study has changed.
    """
    with progress("find files", None) as advance:
        entries = below(root, in_order=False, leave_out=leave_out, follow_links=follow)
        for page in _pages(_noted(one, root, base) for one in entries):
            _enter(ledger, page, run)
            advance(len(page))
    _refuse_emptied(ledger, root, run)
    with ledger.writing() as database:
        database.execute("DELETE FROM files WHERE run != ?", (run,))
        database.execute(f"UPDATE files SET {UNLOOKED} WHERE again")
        database.execute(f"PRAGMA user_version = {run}")


def name_of(path: Path, base: Path) -> bytes:
    """The name of a file in the ledger."""
    return os.fsencode(relative(path, base)) or b"."


def _enter(ledger: Ledger, page: list[Noted], run: int) -> None:
    asked = [row for row in page if row[4] != "failed"]
    closed = [row[0] for row in page if row[4] == "failed"]
    with ledger.writing() as database:
        database.executemany(_CHANGED, [row[:4] for row in asked])
        database.executemany(_NEW_FILE, [(*row[:4], run, *row[4:]) for row in page])
        # They lie between "name/" and "name0": 0 is the sign that follows the slash.
        database.executemany(_BELOW, [(run, name + b"/", name + b"0") for name in closed])
        # A run that is stopped in its walk must not share its number with the next, which would take for seen what
        # only the first one saw.
        database.execute(f"PRAGMA user_version = {run}")


def _noted(one: Path | Skipped | UnreadableImage, root: Path, base: Path) -> Noted:
    if isinstance(one, Path):
        try:
            return name_of(one, base), *stamp_of(one), None, "", ""
        except OSError:
            reason = "it went away while the folder was read (missing)"
            return name_of(one, base), 0, 0, 0, "failed", reason, "missing"
    if isinstance(one, Skipped):
        return name_of(one.path, base), 0, 0, 0, "skipped", one.reason, one.kind
    if one.path == root:
        raise FolderAway(
            f"{root} cannot be read ({one.kind}): its share may be away. All results stay as they are, and the same "
            "command goes on once it is back"
        )
    return name_of(one.path, base), 0, 0, 0, "failed", explained(one), one.kind


def _refuse_emptied(ledger: Ledger, root: Path, run: int) -> None:
    """A mount point without its share is an empty folder: nobody can tell it from one whose files were deleted.

    To ask costs one command, and to believe it all results. A folder with a single file left is believed, and so is
    one where files are kept because they cannot be asked.

    Raises:
        FolderAway: there were files.
    """
    database = ledger.database
    if database.execute(f"SELECT 1 FROM files WHERE run = ? AND {OF_A_FILE} LIMIT 1", (run,)).fetchone():
        return
    if gone := database.execute(f"SELECT count(*) FROM files WHERE {OF_A_FILE}").fetchone()[0]:
        raise FolderAway(
            f"{root} holds no file, and held {gone} before: is its share mounted? All results stay as they are, and "
            "the same command goes on once there are files; --restart forgets the results"
        )


def _pages(items: Iterable[Item]) -> Iterator[list[Item]]:
    waiting = iter(items)
    while page := list(islice(waiting, PAGE)):
        yield page
