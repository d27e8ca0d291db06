"""The ledger of batch scoring: whole transactions, one owner, and errors that say what to do."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from medad.scoring.core.entries import Entry, name_as_text
from medad.scoring.index.ledger import Ledger, LedgerError

IDENTITY = {"model": "m", "folder": "/in"}
ADD = "INSERT INTO cases (id, stamp, files, status) VALUES (?, '1', ?, NULL)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "ledger.sqlite"


def filled(path: Path, *names: bytes) -> Ledger:
    ledger = Ledger(path, IDENTITY)
    with ledger.writing() as database:
        database.executemany(ADD, [(name, name) for name in names])
    return ledger


def test_rows_come_back_as_they_were_written_in_the_order_of_bytes(path: Path) -> None:
    ledger = filled(path, b"b", b"a/\xff", b"a")
    entry = Entry("scored", "", 3, {"rec": 0.1 + 0.2}, "heatmaps/x.png", {"thumbnail": "t"}, 1.5)
    strange = os.fsdecode(b"a/\xff")
    ledger.write([("b", Entry("failed", "broken")), (strange, entry)])
    assert ledger.counts() == {"scored": 1, "failed": 1, "to do": 1}
    ledger.close()
    again = Ledger(path, IDENTITY)
    first, second = again.rows()
    assert (first.id, first.file, first.entry) == (strange, r"a/\xff", entry)
    assert (second.id, second.entry.reason, second.count) == ("b", "broken", 1)
    again.close()


def test_a_transaction_that_breaks_off_leaves_nothing(path: Path) -> None:
    ledger = filled(path, b"a")
    with pytest.raises(LedgerError), ledger.writing() as database:
        database.executemany(ADD, [(b"b", b"b"), (b"a", b"a")])
    assert ledger.counts() == {"to do": 1}
    ledger.close()


def test_another_identity_is_refused_and_named_and_restart_forgets(path: Path) -> None:
    filled(path, b"a").close()
    with pytest.raises(LedgerError, match=r"another model: choose a new --out, or start anew with --restart"):
        Ledger(path, {**IDENTITY, "model": "other"})
    ledger = Ledger(path, {**IDENTITY, "model": "other"}, restart=True)
    assert ledger.counts() == {}
    ledger.close()


def test_what_is_no_ledger_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger(path, IDENTITY)


@pytest.mark.parametrize("form", ["", ', "format": "4"'])
def test_a_ledger_of_an_older_medad_is_refused_unless_it_restarts(path: Path, form: str) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE identity (text TEXT)")
        database.execute("CREATE TABLE studies (id BLOB PRIMARY KEY, uid TEXT)")
        database.execute("INSERT INTO identity VALUES (?)", (f'{{"model": "m", "folder": "/in"{form}}}',))
    database.close()
    with pytest.raises(LedgerError, match=r"another format \(of another version of medad\): .*--restart"):
        Ledger(path, IDENTITY)
    ledger = Ledger(path, IDENTITY, restart=True)
    assert ledger.counts() == {}
    ledger.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "closed" / "out" / "ledger.sqlite", IDENTITY)


def test_an_output_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "out" / "ledger.sqlite", IDENTITY)


def test_names_are_shown_whatever_their_bytes() -> None:
    assert name_as_text("é".encode() + b"\xff") == "é\\xff"
