"""Locks: one process at a time, until it ends."""

from __future__ import annotations

import fcntl
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from medad.locks import open_locked


def _hold(path: Path, of_process: bool, pipe: Connection) -> None:
    lock = open_locked(path, of_process=of_process)
    pipe.send(lock is not None)
    pipe.recv()


@pytest.mark.parametrize("of_process", [False, True])
def test_a_lock_is_of_one_process_and_ends_with_it(tmp_path: Path, of_process: bool) -> None:
    path = tmp_path / "a.lock"
    path.write_text("4711")
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    holder = context.Process(target=_hold, args=(path, of_process, there))
    holder.start()
    assert here.recv()
    assert open_locked(path, of_process=of_process) is None
    holder.kill()
    holder.join()
    lock = open_locked(path, of_process=of_process)
    assert lock is not None
    with lock:
        assert path.read_text() == "4711"


def test_a_second_lock_in_one_process_is_refused(tmp_path: Path) -> None:
    lock = open_locked(tmp_path / "a.lock")
    assert lock is not None
    with lock:
        assert open_locked(tmp_path / "a.lock") is None
    again = open_locked(tmp_path / "a.lock")
    assert again is not None
    again.close()


@pytest.mark.parametrize("number", [37, 95])
def test_where_a_file_system_has_no_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    lock = open_locked(tmp_path / "a.lock")
    assert lock is not None
    lock.close()
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        open_locked(tmp_path / "a.lock")
