"""The volumes of a 4-D file and the pages of a TIFF as separate studies: scan.nii.gz, scan.nii.gz#2 and so on.

The parts of a file are counted when it is looked into, and the ledger stores the number. When files are grouped into
studies, the second and further parts are entered beside the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from sqlite3 import Connection

from medad.io.core.errors import UnreadableImage, guarded
from medad.io.core.formats import head_of, sniff
from medad.io.discovery import volumes_of
from medad.scoring.index.file_info import Looked
from medad.scoring.index.schema import OUTCOME

_TABLE = "CREATE TABLE IF NOT EXISTS parts (path BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID"
_FURTHER = f"""INSERT OR IGNORE INTO found (id, stamp, files, instance, {OUTCOME})
    SELECT ?1, stamp, ?1, instance || ?2, {OUTCOME} FROM found WHERE id = ?3"""


def counted(info: Looked) -> Looked:
    """Return ``info`` with the number of its parts, and what they are.

    The number stays 1 if they cannot be counted: reading gives the reason.
    """
    if info.look != "image":
        return info
    try:
        with guarded(info.path):
            parts = volumes_of(info.path, pages=True)
            if parts == 1:
                return info
            return replace(info, parts=parts, level="page" if sniff(head_of(info.path)) == "raster" else "volume")
    except UnreadableImage:
        return info


def enter_counts(database: Connection, counts: Iterable[tuple[bytes, int]]) -> None:
    """Store (name, number of parts) of files."""
    database.execute(_TABLE)
    database.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?)", counts)


def add_further_parts(database: Connection) -> None:
    """Enter the second and further parts of files into the temporary table of studies.

    The parts with the same number of two equal files are copies of one another.
    """
    database.execute(_TABLE)
    query = "SELECT path, count FROM parts JOIN files USING (path) WHERE look = 'image' AND count > 1"
    for name, count in database.execute(query).fetchall():
        marks = [f"#{number}" for number in range(2, count + 1)]
        database.executemany(_FURTHER, [(name + mark.encode(), mark, name) for mark in marks])
