"""Locks that keep two processes from one file or folder. They end with the process, however that ends."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import IO

_WITHOUT_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # a file system that offers none, such as some shares


def try_lock(file: IO[str] | IO[bytes], *, of_process: bool = False) -> bool:
    """Lock an open file until it is closed; return False where another process, or this one, has locked it.

    Where the file system has no locks, return True. ``of_process``: forked children do not hold the lock on, and a
    second lock of the same process is not refused.
    """
    call = fcntl.lockf if of_process else fcntl.flock
    try:
        call(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    return True


def open_locked(path: Path, *, of_process: bool = False) -> IO[str] | None:
    """Open the lock file ``path``, made where there is none, and lock it as :func:`try_lock` does.

    Return None where it is locked already. What is in the file stays there.
    """
    file = path.open("a+", encoding="ascii")
    if try_lock(file, of_process=of_process):
        return file
    file.close()
    return None
