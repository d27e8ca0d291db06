"""Copies of one image: one of them is read at a time, until one can be; the others follow from what came of it.

A copy of an image that has a row of its own is skipped. Of equal bytes (``instance`` is their digest) all fail as the
first did, without another try; of files that only bear the same UID each may be the good one, so each is tried. A
folder may hold one broken placeholder many thousands of times: no query here passes over all copies of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection

from medad.ledger import DONE, HOPELESS, WAITING, Ledger

# One step of the recursion is one look into an index, for each image and not for each of its copies.
_IMAGES = f"""WITH RECURSIVE images (one) AS (SELECT min(instance) FROM studies WHERE {WAITING} UNION ALL
    SELECT (SELECT min(instance) FROM studies WHERE {WAITING} AND instance > one) FROM images WHERE one IS NOT NULL)"""
_OTHER = "SELECT 1 FROM studies AS other WHERE other.instance = one.instance"
FIRST = f"""SELECT id, files FROM studies AS one WHERE status IS NULL AND id > ?
    AND NOT EXISTS ({_OTHER} AND {DONE}) AND NOT EXISTS ({_OTHER} AND {HOPELESS})
    AND NOT EXISTS ({_OTHER} AND other.id < one.id AND {WAITING}) ORDER BY id LIMIT ?"""


def enter_copies(ledger: Ledger) -> tuple[int, int]:
    """Enter the copies of images of which one has been scored, or is not for the model, or failed for its bytes; how
    many are skipped, and how many fail."""
    first = "FROM studies AS other WHERE other.instance = studies.instance AND"
    copied = f"status = 'skipped', seconds = 0, copy_of = (SELECT min(id) {first} {DONE})"
    failed = f"status = 'failed', seconds = 0, reason = (SELECT reason {first} {HOPELESS} ORDER BY id LIMIT 1)"
    with ledger.writing() as database:
        return _enter(database, copied, DONE), _enter(database, failed, HOPELESS)


def _enter(database: Connection, values: str, known: str) -> int:
    images = f"{_IMAGES} SELECT one FROM images WHERE EXISTS (SELECT 1 FROM studies WHERE instance = one AND {known})"
    return database.execute(f"UPDATE studies SET {values} WHERE {WAITING} AND instance IN ({images})").rowcount


def next_copies(ledger: Ledger) -> Iterator[tuple[bytes, bytes]]:
    """The next copy (ID, files) of each image of which none could be read so far, after :func:`enter_copies`."""
    query = f"SELECT instance, id, files FROM studies WHERE {WAITING} AND instance > ? ORDER BY instance, id LIMIT 1"
    last = ""
    while row := ledger.database.execute(query, (last,)).fetchone():
        last = row[0]
        yield row[1:]


def waiting(ledger: Ledger) -> bool:
    """Whether any copy is still to do."""
    return ledger.database.execute(f"SELECT 1 FROM studies WHERE {WAITING} LIMIT 1").fetchone() is not None
