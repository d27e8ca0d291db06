"""Copies of one image: the first by path that can be read stands for all; the others follow from what came of it.

In the order of paths, those before it are failures, and those after it are skipped as its copies, unread. Of equal
bytes (``instance`` is their digest) all fail as the first did, without another try; of files that only bear the same
UID each may be the good one, so each is tried. What was decided before a copy arrived is decided anew: the rows are
those of a run that finds all copies at once. A folder may hold one broken placeholder many thousands of times: no query
that is asked for each try passes over all copies of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection

from medad.scoring.index.ledger import DONE, HOPELESS, WAITING, Ledger

# One step of the recursion is one look into an index, for each image and not for each of its copies.
_IMAGES = f"""WITH RECURSIVE images (one) AS (SELECT min(instance) FROM studies WHERE {WAITING} UNION ALL
    SELECT (SELECT min(instance) FROM studies WHERE {WAITING} AND instance > one) FROM images WHERE one IS NOT NULL)"""
_OTHER = "SELECT 1 FROM studies AS other WHERE other.instance = one.instance"
FIRST = f"""SELECT id, files, stamp FROM studies AS one WHERE status IS NULL AND id > ?
    AND NOT EXISTS ({_OTHER} AND other.id < one.id AND {DONE}) AND NOT EXISTS ({_OTHER} AND {HOPELESS})
    AND NOT EXISTS ({_OTHER} AND other.id < one.id AND {WAITING}) ORDER BY id LIMIT ?"""
NOTHING = ", ".join(f"{value} = NULL" for value in ("reason", "kind", "slices", "scores", "heatmap", "facts"))


def enter_copies(ledger: Ledger) -> tuple[int, int]:
    """Enter the copies of images of which one has been scored, or is not for the model, or failed for its bytes; how
    many are skipped, and how many fail."""
    first = "FROM studies AS other WHERE other.instance = studies.instance AND"
    minimum = f"(SELECT min(id) {first} {DONE})"
    copied = f"{NOTHING}, status = 'skipped', seconds = 0, copy_of = {minimum}"
    failed = f"""(status, seconds, reason, kind, slices) =
        (SELECT status, 0, reason, kind, slices {first} {HOPELESS} ORDER BY id LIMIT 1)"""
    with ledger.writing() as database:
        # A run that was killed may have drawn one that is a copy now, before it wrote the row.
        drawn = f"SELECT id, 1 FROM studies WHERE {WAITING} AND id > {minimum} AND instance IN ({_those_with(DONE)})"
        database.execute(f"INSERT OR REPLACE INTO orphans {drawn}")
        return _enter(database, copied, DONE, f"id > {minimum}"), _enter(database, failed, HOPELESS)


def _those_with(known: str) -> str:
    return f"{_IMAGES} SELECT one FROM images WHERE EXISTS (SELECT 1 FROM studies WHERE instance = one AND {known})"


def _enter(database: Connection, values: str, known: str, where: str = "1") -> int:
    images = _those_with(known)
    return database.execute(
        f"UPDATE studies SET {values} WHERE {WAITING} AND {where} AND instance IN ({images})"
    ).rowcount


def settle(ledger: Ledger) -> None:
    """Make every row after the first good one of its image a copy of that; a copy without one is judged anew.

    Files that arrive, change or go shift which copy is the first. Pictures of rows that become copies are orphans.
    """
    with ledger.writing() as database:
        database.execute("DROP TABLE IF EXISTS temp.firsts")
        database.execute("CREATE TEMP TABLE firsts (instance TEXT PRIMARY KEY, id BLOB) WITHOUT ROWID")
        database.execute(f"INSERT INTO firsts SELECT instance, min(id) FROM studies WHERE {DONE} GROUP BY instance")
        first = "(SELECT id FROM temp.firsts WHERE firsts.instance = studies.instance)"
        after = f"id > {first} AND copy_of IS NOT {first}"
        database.execute(f"INSERT OR REPLACE INTO orphans SELECT id, 1 FROM studies WHERE {after}")
        database.execute(
            f"UPDATE studies SET {NOTHING}, status = 'skipped', seconds = 0, copy_of = {first} WHERE {after}"
        )
        database.execute(
            f"UPDATE studies SET {NOTHING}, status = NULL, seconds = NULL, copy_of = NULL "
            "WHERE copy_of IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM firsts WHERE (instance, id) = (studies.instance, studies.copy_of))"
        )
        database.execute("DROP TABLE temp.firsts")


def next_copies(ledger: Ledger) -> Iterator[tuple[bytes, bytes, str]]:
    """The next copy (ID, files, stamp) of each image of which none could be read so far, after
    :func:`enter_copies`."""
    query = f"""SELECT instance, id, files, stamp FROM studies WHERE {WAITING} AND instance > ?
        ORDER BY instance, id LIMIT 1"""
    last = ""
    while row := ledger.database.execute(query, (last,)).fetchone():
        last = row[0]
        yield row[1:]


def waiting(ledger: Ledger) -> bool:
    """Whether any copy is still to do."""
    return ledger.database.execute(f"SELECT 1 FROM studies WHERE {WAITING} LIMIT 1").fetchone() is not None
