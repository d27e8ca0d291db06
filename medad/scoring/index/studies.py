"""Find the studies in a folder, with the ledger's tables instead of memory, so that a million files are no problem.

Each run scans the folder, looks only into files that are new or have changed, and groups all files into studies.
Studies that have not changed keep their rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from medad.scoring.index import candidates, duplicates
from medad.scoring.index.file_info import Looked, Session
from medad.scoring.index.file_parts import add_further_parts, enter_counts
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.scan_folder import OF_A_FILE, PAGE, UNLOOKED, name_of, walk
from medad.scoring.index.schema import DONE, IDENTIFYING, OUTCOME, TRANSIENT
from medad.scoring.index.series import MARKS, STAMP, rows_in_ledger
from medad.scoring.index.stamps import IndexedStudy

_COLUMNS = f"id, stamp, files, instance, {OUTCOME}"
_FOUND = f"CREATE TEMP TABLE found ({_COLUMNS}, PRIMARY KEY (id)) WITHOUT ROWID"
_LOOKED = """UPDATE files SET look = :look, reason = :reason, kind = :kind, instance = :instance, series = :series,
    place = :place, level = :level, study_uid = :study_uid, series_uid = :series_uid, instance_uid = :instance_uid,
    session = :session, size = coalesce(:size, size), mtime = coalesce(:mtime, mtime), ctime = coalesce(:ctime, ctime),
    mark = :mark, content = CASE WHEN (size, mtime, ctime, mark) IS (:size, :mtime, :ctime, :mark) THEN content END,
    again = :again WHERE path = :path"""
_STATED_ANEW = ("instance", "note", *IDENTIFYING.split(", "))  # may change though no file of the case has

# Hashes of two sessions cannot be compared, so files that share a UID with a new file are looked into again.
_APART = """SELECT uid FROM files WHERE uid != '' GROUP BY uid HAVING count(DISTINCT session) > 1"""


class Index:
    """The files of ``root`` in a ledger. If ``settling``, a file is used once two scans in a row found it unchanged."""

    def __init__(
        self, ledger: Ledger, root: Path, settling: bool = False, session: Session | None = None, follow: bool = False
    ) -> None:
        """``session`` made the hashes passed to :meth:`looked`; ``follow``: follow links that lead out of ``root``."""
        self.ledger = ledger
        self.session = session or Session()
        self.follow = follow
        self.root = root
        self.base = root if root.is_dir() else root.parent
        self.settling = settling
        self.run = int(ledger.database.execute("PRAGMA user_version").fetchone()[0])

    def walk(self, leave_out: Path) -> None:
        """Enter every file, and drop those that were deleted; files below an unreadable folder stay.

        Raises:
            FolderAway: the root cannot be read, or holds no file any more. No study has changed.
        """
        self.run += 1
        walk(self.ledger, self.root, self.base, self.run, leave_out, self.follow)
        with self.ledger.writing() as database:
            database.execute(
                f"UPDATE cases SET {duplicates.NOTHING}, status = NULL WHERE status = 'failed' AND kind IN {TRANSIENT}"
            )

    def unlooked(self) -> int:
        """Return the number of files that have to be looked into."""
        query = f"SELECT count(*) FROM files WHERE look IS NULL AND {self._settled()}"
        return int(self.ledger.database.execute(query).fetchone()[0])

    def some_files(self, count: int = 10_000) -> list[Path]:
        """Return the paths of up to ``count`` files, of those that the readers of this run are loaded for."""
        rows = self.ledger.database.execute(f"SELECT path FROM files LIMIT {count:d}")
        return [self.path(name) for (name,) in rows]

    def retry(self) -> None:
        """Set failed files back to do: they may have failed because a share was offline. Call it after :meth:`walk`."""
        with self.ledger.writing() as database:
            database.execute(f"UPDATE files SET {UNLOOKED} WHERE look = 'failed' AND {OF_A_FILE}")
            database.execute("UPDATE files SET content = NULL WHERE content GLOB 'broken *' OR content GLOB 'lost *'")
            database.execute("INSERT OR REPLACE INTO orphans SELECT id, 1 FROM cases WHERE status = 'failed'")
            database.execute("DELETE FROM cases WHERE status = 'failed'")

    def _name(self, path: Path) -> bytes:
        return name_of(path, self.base)

    def _settled(self) -> str:
        """Return the SQL condition of files that may be used."""
        return f"since < {self.run}" if self.settling else "1"

    def unseen(self) -> Iterator[tuple[tuple[Path, ...], bool]]:
        """Yield groups of files that have to be looked into, and whether their content has to be digested.

        The digest is compared with that of an earlier look. Enter the results with :meth:`looked`.
        """
        for content in (False, True):
            query = f"""SELECT path FROM files WHERE look IS NULL AND path > ? AND {self._settled()}
                AND (instr(coalesce(mark, ''), '#') > 0) = {content:d} ORDER BY path LIMIT 32"""
            last = b""
            while page := [row[0] for row in self.ledger.database.execute(query, (last,))]:
                last = page[-1]
                yield tuple(self.path(name) for name in page), content

    def path(self, name: bytes) -> Path:
        """Return the path of the file that has this name in the ledger."""
        return self.base / os.fsdecode(name)

    def looked(self, infos: Iterable[Looked]) -> None:
        """Enter what files are."""
        infos = list(infos)
        values = [info.values() | {"path": self._name(info.path), "session": self.session.name} for info in infos]
        counts = [(self._name(info.path), info.parts) for info in infos]
        with self.ledger.writing() as database:
            database.executemany(_LOOKED, values)
            enter_counts(database, counts)

    def forget_other_sessions(self) -> bool:
        """Set back to do the files of other sessions that share a UID with one of this; return whether there are any.

        Call it after all files have been looked into.
        """
        with self.ledger.writing() as database:
            query = f"UPDATE files SET {UNLOOKED} WHERE uid IN ({_APART}) AND session != ?"
            return database.execute(query, (self.session.name,)).rowcount > 0

    def look_alikes(self) -> Iterator[Path]:
        """Yield the files without a UID that have the same size as another; enter digests with :meth:`digested`."""
        return map(self.path, candidates.of_equal_size(self.ledger, self._settled()))

    def same_uid(self) -> Iterator[Path]:
        """Yield the DICOM files that bear the UID of another file; enter digests of their images with :meth:`digested`.

        Only the content shows whether such files are copies.
        """
        return map(self.path, candidates.of_equal_uid(self.ledger, self._settled()))

    def digested(self, path: Path, digest: str | None) -> None:
        """Enter the digest of a file's content."""
        with self.ledger.writing() as database:
            database.execute(
                "UPDATE files SET content = iif(instance IS NULL, NULL, ?1), instance = coalesce(instance, ?1) "
                "WHERE path = ?2",
                (digest, self._name(path)),
            )

    def group(self) -> int:
        """Group files into cases, and return the number of rows that stay because their case is unchanged.

        New and changed cases are to do; the rows of cases that no longer exist are deleted. Delete the orphaned
        pictures before anything is drawn: a changed case has the ID, and so the picture names, of the old one.
        """
        with self.ledger.writing() as database:
            database.execute("DROP TABLE IF EXISTS temp.found")
            database.execute(_FOUND)
            database.execute(
                f"INSERT INTO found SELECT path, {STAMP}, path, instance || coalesce(' ' || content, ''), "
                f"{IDENTIFYING}, nullif(look, 'image'), reason, kind, '' FROM files "
                "WHERE look IN ('image', 'skipped', 'failed')"
            )
            add_further_parts(database)
            unsettled = self.run - 1 if self.settling else None
            for (series,) in database.execute("SELECT DISTINCT series FROM files WHERE series IS NOT NULL").fetchall():
                database.executemany(
                    f"INSERT OR IGNORE INTO found (id, stamp, files, {OUTCOME}) VALUES ({MARKS})",
                    rows_in_ledger(database, series, self.base, unsettled),
                )
            outdated = "FROM cases WHERE NOT EXISTS (SELECT 1 FROM found WHERE (id, stamp) = (cases.id, cases.stamp))"
            # A study that was to do may have pictures: a run may have been killed before it wrote the row.
            database.execute(f"INSERT OR REPLACE INTO orphans SELECT id, 1 {outdated} AND status IS NOT 'skipped'")
            database.execute(f"DELETE {outdated}")
            # A file that had no copy in the last run may have one now, and a series may have got a second stack.
            old, new = (", ".join(f"{table}.{name}" for name in _STATED_ANEW) for table in ("cases", "found"))
            database.execute(
                f"UPDATE cases SET {', '.join(f'{name} = found.{name}' for name in _STATED_ANEW)} FROM found "
                f"WHERE found.id = cases.id AND ({new}) IS NOT ({old})"
            )
            first = f"SELECT 1 FROM cases AS other WHERE (id, instance) = (cases.copy_of, cases.instance) AND {DONE}"
            unchanged = database.execute(
                f"SELECT count(*) FROM cases WHERE status IS NOT NULL AND (copy_of IS NULL OR EXISTS ({first}))"
            ).fetchone()[0]
            database.execute(f"INSERT OR IGNORE INTO cases ({_COLUMNS}) SELECT {_COLUMNS} FROM found")
            database.execute("DROP TABLE temp.found")
        duplicates.settle(self.ledger)
        return int(unchanged)

    def to_do(self) -> Iterator[IndexedStudy]:
        """Yield the studies to do, in order of their IDs; of the copies of one image only the first."""
        last = b""
        while page := self.ledger.database.execute(duplicates.FIRST, (last, PAGE)).fetchall():
            last = page[-1][0]
            yield from (self._study(*row) for row in page)
            if len(page) < PAGE:  # a study that has become the first of its copies meanwhile is left to next_copies
                return

    def next_copies(self) -> Iterator[IndexedStudy]:
        """Yield one copy of each image of which no copy could be read so far. Call it after all other studies."""
        return (self._study(*row) for row in duplicates.next_copies(self.ledger))

    def _study(self, study_id: bytes, files: bytes, stamp: str) -> IndexedStudy:
        return IndexedStudy(os.fsdecode(study_id), tuple(self.path(name) for name in files.split(b"\0")), stamp=stamp)
