"""The ledger: the state of batch scoring in a sqlite file in the output folder, written as the work proceeds.

The table ``files`` is the index of the scored folder: what each file is, its size and the times of its last change.
``cases`` has a row for each case, and for each file that is not part of one; a row without a status is still to do.
``orphans`` lists cases whose pictures are still to be deleted. A transaction is written as a whole or not at all,
even if the process is killed.

Privacy: the ledger holds the names, sizes and times of the files, the rows of the table, and for DICOM the position of
each slice and the pseudonyms of its UIDs of study, series and instance, as in scores.csv (with ``--uids`` the UIDs
themselves), so that a list of UIDs shows which of them were scored. Patient numbers, times of day and all other tags
are stored only as hashes with a random key of one process, which is never written: nobody can find the values by trying
them out, not even with the UIDs. The next process uses another key, so it looks again into files that may belong
together with new ones.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from medad.locks import open_locked
from medad.scoring.core.entries import CaseRow, Entry, name_as_text
from medad.scoring.core.identifiers import Identifiers
from medad.scoring.index.schema import FORMAT, GATED, IDENTIFYING, SCHEMA
from medad.types import MedadError


class LedgerError(MedadError):
    """An output folder that belongs to another run, is in use, or cannot be written."""


class Ledger:
    """The open ledger of an output folder. Only one process at a time may have it open."""

    def __init__(self, path: Path, identity: dict[str, str], restart: bool = False) -> None:
        """Open the ledger at ``path``, or create it.

        ``identity`` (model, settings, folder) must equal that of the existing ledger, unless ``restart`` deletes it.

        Raises:
            LedgerError: the ledger has another identity, is in use, or cannot be written.
        """
        self.path = path
        with self._errors_explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path.with_suffix(".lock"))
            for end in ("", "-wal", "-shm") if restart else ():
                path.with_name(path.name + end).unlink(missing_ok=True)
            self.database = sqlite3.connect(path, isolation_level=None)
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=NORMAL")
            self._check({"format": str(FORMAT), **identity})
            self.database.executescript(SCHEMA)

    def _check(self, identity: dict[str, str]) -> None:
        """Store ``identity`` in a new ledger, or compare it with that of an existing one.

        Raises:
            LedgerError: they differ.
        """
        self.database.execute("CREATE TABLE IF NOT EXISTS identity (text TEXT)")
        row = self.database.execute("SELECT text FROM identity").fetchone()
        if row is None:
            self.database.execute("INSERT INTO identity VALUES (?)", (json.dumps(identity),))
            return
        before = json.loads(row[0])
        changed = ", ".join(
            "format (of another version of medad)" if key == "format" else key
            for key in identity
            if before.get(key) != identity[key]
        )
        if changed:
            self.close()
            raise LedgerError(
                f"{self.path.parent} holds results made with another {changed}: choose a new --out, "
                "or start anew with --restart"
            )

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction, which is written as a whole or not at all.

        Raises:
            LedgerError: the disk is full, or the output folder was deleted.
        """
        with self._errors_explained():
            if not self.path.exists():  # sqlite would keep writing to the deleted file
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
    def _errors_explained(self) -> Iterator[None]:
        """Turn errors of sqlite and of the file system into LedgerError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"{self.path} cannot be written: {error}. What it holds is safe; mend the cause (space, permissions) "
                "and give the same command again, or start anew with --restart"
            ) from None

    def write(self, entries: Sequence[tuple[str, Entry]]) -> None:
        """Enter the results (case ID, entry), all of them or none."""
        values = [
            (
                *(entry.status, entry.reason, entry.kind, entry.slices, json.dumps(entry.scores), entry.heatmap),
                *(json.dumps(entry.facts), entry.seconds, os.fsencode(case_id)),
            )
            for case_id, entry in entries
        ]
        with self.writing() as database:
            database.executemany(
                "UPDATE cases SET status = ?, reason = ?, kind = ?, slices = ?, scores = ?, heatmap = ?, facts = ?, "
                "seconds = ? WHERE id = ?",
                values,
            )

    def rows(self, status: str | None = None) -> Iterator[CaseRow]:
        """Yield all rows with any status, or with ``status``, in the order of the bytes of their IDs."""
        columns = "status, reason, slices, scores, heatmap, facts, seconds, kind, copy_of, note"
        query = f"SELECT id, files, {IDENTIFYING}, {columns} FROM cases WHERE status = coalesce(?, status) ORDER BY id"
        for case_id, files, level, study, series, instance, *values in self.database.execute(query, (status,)):
            status, reason, slices, scores, heatmap, facts, seconds, kind, copy_of, note = values
            if copy_of is not None:
                reason = f"it holds the same image as {name_as_text(copy_of)}"
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
            identifiers = Identifiers(study or "", series or "", instance or "")
            yield CaseRow(os.fsdecode(case_id), 1 + files.count(b"\0"), entry, level or "file", identifiers)

    def files_of(self, case_id: str) -> tuple[list[str], str]:
        """Return the names of the files of a case, and its stamp."""
        query = "SELECT files, stamp FROM cases WHERE id = ?"
        files, stamp = self.database.execute(query, (os.fsencode(case_id),)).fetchone()
        return [os.fsdecode(name) for name in files.split(b"\0")], stamp

    def counts(self) -> dict[str, int]:
        """Return the number of rows by status; rows without one are counted as "to do"."""
        query = "SELECT coalesce(status, 'to do'), count(*) FROM cases GROUP BY status"
        return dict(self.database.execute(query))

    def judged(self) -> dict[str, int]:
        """Return the number of images by status; copies and files that are no images are not counted."""
        query = f"""SELECT coalesce(status, 'to do'), count(*) FROM cases
            WHERE status IS NOT 'skipped' OR kind = '{GATED}' GROUP BY status"""
        return dict(self.database.execute(query))

    def close(self) -> None:
        """Close the ledger, and release its lock."""
        self.database.close()
        self._lock.close()


def _locked(path: Path) -> IO[str]:
    """Return the locked file at ``path``; the lock ends when it is closed or the process ends.

    Forked children do not hold the lock.

    Raises:
        LedgerError: another process has the lock.
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
