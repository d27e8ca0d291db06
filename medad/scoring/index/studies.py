"""From the files of a folder to its studies, in the ledger's tables and not in memory: a million files fit.

Each run walks the folder anew, looks only into files that are new or have changed, and puts the studies together from
all of them. What has not changed keeps its row.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from medad.scoring.index import duplicates
from medad.scoring.index.file_info import Looked, Session
from medad.scoring.index.file_parts import add_further_parts, enter_counts
from medad.scoring.index.ledger import DONE, TRANSIENT, Ledger
from medad.scoring.index.scan_folder import OF_A_FILE, PAGE, UNLOOKED, name_of, walk
from medad.scoring.index.series import STAMP, rows_of
from medad.scoring.index.stamps import IndexedStudy

_COLUMNS = "id, stamp, files, instance, uid, status, reason, kind, note"
_FOUND = """CREATE TEMP TABLE found (id BLOB PRIMARY KEY, stamp TEXT, files BLOB, instance TEXT, uid TEXT, status TEXT,
    reason TEXT, kind TEXT, note TEXT) WITHOUT ROWID"""
_LOOKED = """UPDATE files SET look = ?1, reason = ?2, kind = ?3, instance = ?4, series = ?5, place = ?6, uid = ?7,
    session = ?8, size = coalesce(?9, size), mtime = coalesce(?10, mtime), ctime = coalesce(?11, ctime), mark = ?12,
    content = CASE WHEN (size, mtime, ctime, mark) IS (?9, ?10, ?11, ?12) THEN content END, again = ?14
    WHERE path = ?13"""
# Hashes of two sessions cannot be compared: what shares a UID with a file that is new is looked into anew with it.
_APART = """SELECT uid FROM files WHERE uid != '' GROUP BY uid HAVING count(DISTINCT session) > 1"""


class Index:
    """The files of ``root`` in a ledger. In a ``settling`` index a file counts once it is as the run before saw it."""

    def __init__(
        self, ledger: Ledger, root: Path, settling: bool = False, session: Session | None = None, follow: bool = False
    ) -> None:
        """``session`` made the hashes that :meth:`looked` is given; ``follow`` links that lead out of ``root``."""
        self.ledger = ledger
        self.session = session or Session()
        self.follow = follow
        self.root = root
        self.base = root if root.is_dir() else root.parent
        self.settling = settling
        self.run = int(ledger.database.execute("PRAGMA user_version").fetchone()[0])

    def walk(self, leave_out: Path) -> None:
        """Note every file, and forget those that are gone; what lies below a folder that cannot be read stays.

        Raises:
            FolderAway: the root cannot be read, or holds no file any more. No study has changed.
        """
        self.run += 1
        walk(self.ledger, self.root, self.base, self.run, leave_out, self.follow)
        with self.ledger.writing() as database:
            database.execute(
                f"UPDATE studies SET {duplicates.NOTHING}, status = NULL "
                f"WHERE status = 'failed' AND kind IN {TRANSIENT}"
            )

    def unlooked(self) -> int:
        """How many files have to be looked into."""
        query = f"SELECT count(*) FROM files WHERE look IS NULL AND {self._settled()}"
        return int(self.ledger.database.execute(query).fetchone()[0])

    def retry(self) -> None:
        """Have what failed tried again: a share that was away made good files fail. Call it after a walk."""
        with self.ledger.writing() as database:
            database.execute(f"UPDATE files SET {UNLOOKED} WHERE look = 'failed' AND {OF_A_FILE}")
            database.execute("UPDATE files SET content = NULL WHERE content GLOB 'broken *' OR content GLOB 'lost *'")
            database.execute("INSERT OR REPLACE INTO orphans SELECT id, 1 FROM studies WHERE status = 'failed'")
            database.execute("DELETE FROM studies WHERE status = 'failed'")

    def _name(self, path: Path) -> bytes:
        return name_of(path, self.base)

    def _settled(self) -> str:
        return f"since < {self.run}" if self.settling else "1"

    def unseen(self) -> Iterator[tuple[tuple[Path, ...], bool]]:
        """Files that have to be looked into, some at a time, and whether their content is to be digested, to be
        compared with that of the look before. Enter what they are with :meth:`looked`."""
        for content in (False, True):
            query = f"""SELECT path FROM files WHERE look IS NULL AND path > ? AND {self._settled()}
                AND (instr(coalesce(mark, ''), '#') > 0) = {content:d} ORDER BY path LIMIT 32"""
            last = b""
            while page := [row[0] for row in self.ledger.database.execute(query, (last,))]:
                last = page[-1]
                yield tuple(self.path(name) for name in page), content

    def path(self, name: bytes) -> Path:
        """The file of an entry."""
        return self.base / os.fsdecode(name)

    def looked(self, found: Iterable[Looked]) -> None:
        """Enter what files are."""
        found = list(found)
        values = [
            (
                *(one.look, one.reason, one.kind, one.instance, one.series, one.place, one.uid, self.session.name),
                *(*(one.stamp or (None, None, None)), one.mark, self._name(one.path), one.again),
            )
            for one in found
        ]
        counts = [(self._name(one.path), one.parts) for one in found]
        with self.ledger.writing() as database:
            database.executemany(_LOOKED, values)
            enter_counts(database, counts)

    def forget_other_sessions(self) -> bool:
        """Have looked into anew what may belong together with a file of this session; whether there is any.

        Call it once all has been looked into.
        """
        with self.ledger.writing() as database:
            query = f"UPDATE files SET {UNLOOKED} WHERE uid IN ({_APART}) AND session != ?"
            return database.execute(query, (self.session.name,)).rowcount > 0

    def look_alikes(self) -> Iterator[tuple[Path, ...]]:
        """Files of equal size that no UID tells apart, one by one. Enter their digests with :meth:`digested`."""
        database = self.ledger.database
        database.execute("DROP TABLE IF EXISTS temp.sizes")
        database.execute(
            "CREATE TEMP TABLE sizes AS SELECT size FROM files WHERE look = 'image' GROUP BY size HAVING count(*) > 1"
        )
        query = f"""SELECT path FROM files WHERE path > ? AND look = 'image' AND instance IS NULL AND size IN
            (SELECT size FROM temp.sizes) AND {self._settled()} ORDER BY path LIMIT {PAGE}"""
        last = b""
        while page := [row[0] for row in database.execute(query, (last,))]:
            last = page[-1]
            yield from ((self.path(name),) for name in page)

    def same_uid(self) -> Iterator[Path]:
        """DICOM files that bear the UID of another one, of which only the content says whether they are copies, one
        by one. Enter the digests of what they show with :meth:`digested`."""
        database = self.ledger.database
        database.execute("DROP TABLE IF EXISTS temp.shared")
        database.execute(
            """CREATE TEMP TABLE shared AS SELECT instance, series FROM files WHERE instance IS NOT NULL
            AND instance NOT GLOB '* *' GROUP BY series, instance HAVING count(*) > 1"""
        )
        database.execute("CREATE INDEX temp.shared_instance ON shared (instance)")
        query = f"""SELECT path FROM files WHERE path > ? AND look IN ('image', 'slice') AND content IS NULL
            AND EXISTS (SELECT 1 FROM temp.shared WHERE shared.instance = files.instance
            AND shared.series IS files.series) AND {self._settled()} ORDER BY path LIMIT {PAGE}"""
        last = b""
        while page := [row[0] for row in database.execute(query, (last,))]:
            last = page[-1]
            yield from map(self.path, page)

    def digested(self, path: Path, digest: str | None) -> None:
        """Enter the digest of a file's content."""
        with self.ledger.writing() as database:
            database.execute(
                "UPDATE files SET content = iif(instance IS NULL, NULL, ?1), instance = coalesce(instance, ?1) "
                "WHERE path = ?2",
                (digest, self._name(path)),
            )

    def group(self) -> int:
        """Put the studies together; rows of unchanged ones stay, all others are to do or gone; how many stay.

        The pictures of those that are gone have to be deleted before anything is drawn: a study that has changed bears
        the ID, and so the pictures' names, of the one before.
        """
        with self.ledger.writing() as database:
            database.execute("DROP TABLE IF EXISTS temp.found")
            database.execute(_FOUND)
            database.execute(
                f"INSERT INTO found SELECT path, {STAMP}, path, instance || coalesce(' ' || content, ''), uid, "
                "nullif(look, 'image'), reason, kind, '' FROM files WHERE look IN ('image', 'skipped', 'failed')"
            )
            add_further_parts(database)
            for (series,) in database.execute("SELECT DISTINCT series FROM files WHERE series IS NOT NULL").fetchall():
                database.executemany(
                    "INSERT OR IGNORE INTO found VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?)", self._series(series)
                )
            gone = "FROM studies WHERE NOT EXISTS (SELECT 1 FROM found WHERE (id, stamp) = (studies.id, studies.stamp))"
            # One that was still to do may have been drawn by a run that was killed before it wrote the row.
            database.execute(f"INSERT OR REPLACE INTO orphans SELECT id, 1 {gone} AND status IS NOT 'skipped'")
            database.execute(f"DELETE {gone}")
            # What looked like no other may have a look-alike since.
            database.execute(
                "UPDATE studies SET instance = found.instance, note = found.note FROM found "
                "WHERE found.id = studies.id AND (found.instance, found.note) IS NOT (studies.instance, studies.note)"
            )
            first = (
                f"SELECT 1 FROM studies AS other WHERE (id, instance) = (studies.copy_of, studies.instance) AND {DONE}"
            )
            kept = database.execute(
                f"SELECT count(*) FROM studies WHERE status IS NOT NULL AND (copy_of IS NULL OR EXISTS ({first}))"
            ).fetchone()[0]
            database.execute(f"INSERT OR IGNORE INTO studies ({_COLUMNS}) SELECT {_COLUMNS} FROM found")
            database.execute("DROP TABLE temp.found")
        duplicates.settle(self.ledger)
        return int(kept)

    def _series(self, series: str) -> Iterator[tuple[object, ...]]:
        """Rows of the studies in a series; those that there are, if slices are still arriving."""
        database = self.ledger.database
        query = f"SELECT path, place, {STAMP}, content, uid, since FROM files WHERE series = ? ORDER BY path"
        slices = database.execute(query, (series,)).fetchall()
        if self.settling and max(row[-1] for row in slices) >= self.run - 1:
            for name, *_ in slices:
                query = "SELECT id, stamp, files, uid, status, reason, kind, note FROM studies WHERE id = ?"
                yield from database.execute(query, (name,))
            return
        yield from rows_of([row[:-1] for row in slices], self.base)

    def to_do(self) -> Iterator[IndexedStudy]:
        """Studies without a row, in order; of the copies of one image, one at a time, until one can be read."""
        last = b""
        while page := self.ledger.database.execute(duplicates.FIRST, (last, PAGE)).fetchall():
            last = page[-1][0]
            yield from (self._study(*row) for row in page)
            if len(page) < PAGE:  # what has become the first of its copies meanwhile is for next_copies
                return

    def next_copies(self) -> Iterator[IndexedStudy]:
        """One copy of each image of which none could be read so far, once all else is done."""
        return (self._study(*row) for row in duplicates.next_copies(self.ledger))

    def _study(self, study_id: bytes, files: bytes, stamp: str) -> IndexedStudy:
        return IndexedStudy(os.fsdecode(study_id), tuple(self.path(name) for name in files.split(b"\0")), stamp=stamp)
