"""What batch scoring has found and done, in a sqlite file of the output folder, written as it is reached.

``files`` is the index of the scored folder: what each file is, with its size and the times of its last change.
``studies`` has a row for each study, and for each file that is none; a row without a status is still to do.
``orphans`` are studies whose pictures are still to be deleted. A transaction is there whole or not at all, whenever the
process is killed.

What somebody learns who gets hold of the file: the names of the files, their sizes and times, the rows of the table,
and for DICOM the place of each slice and the pseudonym of a UID that scores.csv holds as well (the UID itself with
``--uids``), so whoever has a list of UIDs can tell which of them were here. Patient numbers, hours and all other tags
are only in hashes whose key was drawn by one process and never written: nobody can try them all, neither with the
ledger nor with the UIDs. The next process draws another key, and looks anew into files that belong together with new
ones.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from medad.locks import open_locked
from medad.types import MedadError

FORMAT = 4
# Failures that say nothing about the bytes of a file: the next run tries again, whatever it was told.
TRANSIENT = ("missing", "no-permission", "io-error", "changed")
GATED = "gate"  # the kind of rows that the gate skipped
EQUAL_BYTES = "content "  # starts an ``instance`` that is the digest of a whole file
# Rows that say what becomes of the other copies of their image: copies of it, or failures without another try. An index
# serves a query that has its very words.
WAITING = "status IS NULL AND instance IS NOT NULL"
DONE = "status IN ('scored', 'skipped') AND copy_of IS NULL AND instance IS NOT NULL"
HOPELESS = f"status = 'failed' AND instance GLOB '{EQUAL_BYTES}*' AND kind NOT IN {TRANSIENT}"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS identity (text TEXT);
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, run INTEGER,
    since INTEGER, look TEXT, reason TEXT, kind TEXT, instance TEXT, series TEXT, place TEXT, uid TEXT, session TEXT,
    mark TEXT, again INTEGER, content TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_unseen ON files (path) WHERE look IS NULL;
CREATE INDEX IF NOT EXISTS files_series ON files (series, path) WHERE series IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_instance ON files (series, instance) WHERE instance IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_size ON files (size) WHERE look = 'image';
CREATE INDEX IF NOT EXISTS files_uid ON files (uid, session) WHERE uid != '';
CREATE TABLE IF NOT EXISTS studies (id BLOB PRIMARY KEY, stamp TEXT, files BLOB, instance TEXT, uid TEXT, status TEXT,
    reason TEXT, kind TEXT, note TEXT, copy_of BLOB, slices INTEGER, scores TEXT, heatmap TEXT, facts TEXT,
    seconds REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS studies_to_do ON studies (id) WHERE status IS NULL;
CREATE INDEX IF NOT EXISTS studies_failed ON studies (id) WHERE status = 'failed';
CREATE INDEX IF NOT EXISTS studies_waiting ON studies (instance, id) WHERE {WAITING};
CREATE INDEX IF NOT EXISTS studies_done ON studies (instance, id) WHERE {DONE};
CREATE INDEX IF NOT EXISTS studies_hopeless ON studies (instance, id) WHERE {HOPELESS};
CREATE TABLE IF NOT EXISTS orphans (id BLOB PRIMARY KEY, thumbnail INTEGER) WITHOUT ROWID;
"""


class LedgerError(MedadError):
    """An output folder that belongs to another run, is in use, or cannot be written."""


@dataclass(frozen=True)
class Entry:
    """What came of a study. ``status`` is scored, skipped or failed; ``scores`` by name; ``heatmap`` is relative to the
    output folder; ``facts`` is what else is known, plain JSON; ``seconds`` of work, the one value that is not the same
    every time; ``kind`` is one word for the reason, by which rows are dealt with.
    """

    status: str
    reason: str = ""
    slices: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    heatmap: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    kind: str = ""


@dataclass(frozen=True)
class Row:
    """One row of the results: a study, or a file that is none. ``id`` is the path of its first file below the scored
    folder; ``count`` how many files it has; ``uid`` is the UID that was
    asked for or its pseudonym, "" where there is none."""

    id: str
    count: int
    uid: str
    entry: Entry

    @property
    def file(self) -> str:
        """The ID as it is shown."""
        return shown(os.fsencode(self.id))


class Ledger:
    """The open ledger of an output folder. One process at a time has it: a second one is refused."""

    def __init__(self, path: Path, identity: dict[str, str], restart: bool = False) -> None:
        """Open or make the ledger; ``identity`` (model, settings, folder) must be the one it was made with, unless
        ``restart`` says to forget what it holds.

        Raises:
            LedgerError: it was made with another identity, is in use, or cannot be written.
        """
        self.path = path
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path.with_suffix(".lock"))
            for end in ("", "-wal", "-shm") if restart else ():
                path.with_name(path.name + end).unlink(missing_ok=True)
            self.database = sqlite3.connect(path, isolation_level=None)
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=NORMAL")
            self._check({"format": str(FORMAT), **identity})
            self.database.executescript(_SCHEMA)

    def _check(self, identity: dict[str, str]) -> None:
        self.database.execute("CREATE TABLE IF NOT EXISTS identity (text TEXT)")
        known = self.database.execute("SELECT text FROM identity").fetchone()
        if known is None:
            self.database.execute("INSERT INTO identity VALUES (?)", (json.dumps(identity),))
            return
        before = json.loads(known[0])
        changed = ", ".join(key for key in identity if before.get(key) != identity[key])
        if changed:
            self.close()
            raise LedgerError(
                f"{self.path.parent} holds results made with another {changed}: choose a new --out, "
                "or start anew with --restart"
            )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of the block is written, or nothing.

        Raises:
            LedgerError: the disk is full, or the output folder is gone.
        """
        with self._explained():
            if not self.path.exists():  # sqlite would go on writing to a file that has no name any more
                raise LedgerError(f"{self.path} is gone: what was not in the table yet has to be scored again")
            self.database.execute("BEGIN IMMEDIATE")
            try:
                yield self.database
            except BaseException:
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                raise
            self.database.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"{self.path} cannot be written: {error}. What it holds is safe; mend the cause (space, permissions) "
                "and give the same command again, or start anew with --restart"
            ) from None

    def write(self, entries: Sequence[tuple[str, Entry]]) -> None:
        """Enter what came of studies (ID, entry), all or none."""
        values = [
            (
                *(one.status, one.reason, one.kind, one.slices, json.dumps(one.scores), one.heatmap),
                *(json.dumps(one.facts), one.seconds, os.fsencode(study_id)),
            )
            for study_id, one in entries
        ]
        with self.writing() as database:
            database.executemany(
                "UPDATE studies SET status = ?, reason = ?, kind = ?, slices = ?, scores = ?, heatmap = ?, facts = ?, "
                "seconds = ? WHERE id = ?",
                values,
            )

    def rows(self, status: str | None = None) -> Iterator[Row]:
        """All rows that have a status, or this one, in the order of their IDs' bytes, one by one."""
        for study_id, files, uid, *values in self.database.execute(
            "SELECT id, files, uid, status, reason, slices, scores, heatmap, facts, seconds, kind, copy_of, note "
            "FROM studies WHERE status = coalesce(?, status) ORDER BY id",
            (status,),
        ):
            status, reason, slices, scores, heatmap, facts, seconds, kind, copy_of, note = values
            if copy_of is not None:
                reason = f"it holds the same image as {shown(copy_of)}"
            entry = Entry(
                status,
                reason or note or "",
                slices or 0,
                json.loads(scores or "{}"),
                heatmap or "",
                json.loads(facts or "{}"),
                seconds or 0.0,
                kind or "",
            )
            yield Row(os.fsdecode(study_id), 1 + files.count(b"\0"), uid or "", entry)

    def counts(self) -> dict[str, int]:
        """How many rows there are of each status; those still to do are under "to do"."""
        query = "SELECT coalesce(status, 'to do'), count(*) FROM studies GROUP BY status"
        return dict(self.database.execute(query))

    def judged(self) -> dict[str, int]:
        """How many images there are of each status; files that are none, and copies, are left out."""
        query = f"""SELECT coalesce(status, 'to do'), count(*) FROM studies
            WHERE status IS NOT 'skipped' OR kind = '{GATED}' GROUP BY status"""
        return dict(self.database.execute(query))

    def close(self) -> None:
        """Close the file, and let other processes have it."""
        self.database.close()
        self._lock.close()


def shown(name: bytes) -> str:
    """A file's name as text that any file can hold: bytes that are no UTF-8 appear as \\xNN."""
    return name.decode("utf-8", "backslashreplace")


def _locked(path: Path) -> IO[str]:
    """The lock file, held until it is closed or the process ends, however it ends; forked children do not hold it.

    Raises:
        LedgerError: another process has it.
    """
    file = open_locked(path, of_process=True)
    if file is None:
        holder = path.read_text(encoding="ascii").strip() or "unknown"
        raise LedgerError(
            f"{path.parent} is in use by another medad (process {holder} on its machine): wait until it has finished, "
            "or choose another --out"
        )
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
