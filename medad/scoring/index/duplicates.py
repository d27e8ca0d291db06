"""Copies of one image: the first readable one, in the order of paths, is scored, and the others are skipped.

Copies before the scored one have failed, and copies after it are skipped without being read. Files with equal bytes
(``instance`` is their digest) all fail if the first of them fails, without another try. Files that only bear the same
UID are tried one after the other, since any of them may be readable. When a copy is added later, the rows are decided
again, so that they equal those of a run that finds all copies at once. A folder may hold one broken placeholder many
thousands of times, so no query that runs for each try reads all copies of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection

from medad.scoring.index.ledger import Ledger
from medad.scoring.index.schema import DONE, HOPELESS, WAITING

# The recursion does one index search for each image, not for each of its copies.
_IMAGES = f"""WITH RECURSIVE images (one) AS (SELECT min(instance) FROM cases WHERE {WAITING} UNION ALL
    SELECT (SELECT min(instance) FROM cases WHERE {WAITING} AND instance > one) FROM images WHERE one IS NOT NULL)"""
_OTHER = "SELECT 1 FROM cases AS other WHERE other.instance = one.instance"
FIRST = f"""SELECT id, files, stamp FROM cases AS one WHERE status IS NULL AND id > ?
    AND NOT EXISTS ({_OTHER} AND other.id < one.id AND {DONE}) AND NOT EXISTS ({_OTHER} AND {HOPELESS})
    AND NOT EXISTS ({_OTHER} AND other.id < one.id AND {WAITING}) ORDER BY id LIMIT ?"""
NOTHING = ", ".join(f"{value} = NULL" for value in ("reason", "kind", "slices", "scores", "heatmap", "facts"))


def enter_copies(ledger: Ledger) -> tuple[int, int]:
    """Enter the rows of waiting copies whose result is clear, and return how many are skipped and how many fail.

    Copies after a scored or skipped one are skipped. Files whose bytes equal those of a failed one fail as well.
    """
    first = "FROM cases AS other WHERE other.instance = cases.instance AND"
    minimum = f"(SELECT min(id) {first} {DONE})"
    copied = f"{NOTHING}, status = 'skipped', seconds = 0, copy_of = {minimum}"
    failed = f"""(status, seconds, reason, kind, slices) =
        (SELECT status, 0, reason, kind, slices {first} {HOPELESS} ORDER BY id LIMIT 1)"""
    with ledger.writing() as database:
        # A killed run may have drawn pictures of a study, before it wrote the row, that is a copy now.
        drawn = f"SELECT id, 1 FROM cases WHERE {WAITING} AND id > {minimum} AND instance IN ({_images_with(DONE)})"
        database.execute(f"INSERT OR REPLACE INTO orphans {drawn}")
        return _enter(database, copied, DONE, f"id > {minimum}"), _enter(database, failed, HOPELESS)


def _images_with(condition: str) -> str:
    """Return the query for the waiting images of which a row fulfils ``condition``."""
    return f"{_IMAGES} SELECT one FROM images WHERE EXISTS (SELECT 1 FROM cases WHERE instance = one AND {condition})"


def _enter(database: Connection, values: str, condition: str, where: str = "1") -> int:
    """Set ``values`` in the waiting rows of images of which a row fulfils ``condition``; return their number."""
    images = _images_with(condition)
    return database.execute(
        f"UPDATE cases SET {values} WHERE {WAITING} AND {where} AND instance IN ({images})"
    ).rowcount


def settle(ledger: Ledger) -> None:
    """Make every row after the first readable one of its image a copy of that one, in the order of paths.

    A copy whose original no longer exists is set back to do. Files that are added, changed or deleted change which copy
    is the first. The pictures of rows that become copies become orphans.
    """
    with ledger.writing() as database:
        database.execute("DROP TABLE IF EXISTS temp.firsts")
        database.execute("CREATE TEMP TABLE firsts (instance TEXT PRIMARY KEY, id BLOB) WITHOUT ROWID")
        database.execute(f"INSERT INTO firsts SELECT instance, min(id) FROM cases WHERE {DONE} GROUP BY instance")
        first = "(SELECT id FROM temp.firsts WHERE firsts.instance = cases.instance)"
        after = f"id > {first} AND copy_of IS NOT {first}"
        database.execute(f"INSERT OR REPLACE INTO orphans SELECT id, 1 FROM cases WHERE {after}")
        database.execute(
            f"UPDATE cases SET {NOTHING}, status = 'skipped', seconds = 0, copy_of = {first} WHERE {after}"
        )
        database.execute(
            f"UPDATE cases SET {NOTHING}, status = NULL, seconds = NULL, copy_of = NULL "
            "WHERE copy_of IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM firsts WHERE (instance, id) = (cases.instance, cases.copy_of))"
        )
        database.execute("DROP TABLE temp.firsts")


def next_copies(ledger: Ledger) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield the next copy (ID, files, stamp) of each image of which no copy could be read so far.

    Call it after :func:`enter_copies`.
    """
    query = f"""SELECT instance, id, files, stamp FROM cases WHERE {WAITING} AND instance > ?
        ORDER BY instance, id LIMIT 1"""
    last = ""
    while row := ledger.database.execute(query, (last,)).fetchone():
        last = row[0]
        yield row[1:]


def waiting(ledger: Ledger) -> bool:
    """Return whether any copy is still to do."""
    return ledger.database.execute(f"SELECT 1 FROM cases WHERE {WAITING} LIMIT 1").fetchone() is not None
