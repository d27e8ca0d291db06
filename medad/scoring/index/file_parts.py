"""The volumes of a 4-D file, and the pages of a TIFF, as studies of their own: scan.nii.gz, scan.nii.gz#2 and so on.

How many a file has is counted when it is looked into, and kept in the ledger; its further parts are entered beside it
when the studies are put together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from sqlite3 import Connection

from medad.io.discovery import volumes_of
from medad.io.errors import UnreadableImage, guarded
from medad.scoring.index.file_info import Looked

_TABLE = "CREATE TABLE IF NOT EXISTS parts (path BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID"
_FURTHER = """INSERT OR IGNORE INTO found (id, stamp, files, instance, uid, status, reason, kind, note)
    SELECT ?1, stamp, ?1, instance || ?2, uid, status, reason, kind, note FROM found WHERE id = ?3"""


def counted(found: Looked) -> Looked:
    """``found`` with the number of its parts; 1 where they cannot be counted: reading the file says why."""
    if found.look != "image":
        return found
    try:
        with guarded(found.path):
            return replace(found, parts=volumes_of(found.path, pages=True))
    except UnreadableImage:
        return found


def enter_counts(database: Connection, counts: Iterable[tuple[bytes, int]]) -> None:
    """Keep how many parts the files of these names have."""
    database.execute(_TABLE)
    database.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?)", counts)


def add_further_parts(database: Connection) -> None:
    """Enter the second and all further parts into the temporary table of studies, beside the files they are of.

    Parts of equal files are copies of one another, number by number.
    """
    database.execute(_TABLE)
    query = "SELECT path, count FROM parts JOIN files USING (path) WHERE look = 'image' AND count > 1"
    for name, count in database.execute(query).fetchall():
        marks = [f"#{number}" for number in range(2, count + 1)]
        database.executemany(_FURTHER, [(name + mark.encode(), mark, name) for mark in marks])
