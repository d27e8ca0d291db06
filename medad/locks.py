"""Lock files against use by a second process. The system releases a lock when its process ends."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from typing import IO

_WITHOUT_LOCKS = (
    errno.ENOLCK,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
)  # file systems without locks, such as some network shares


def try_lock(file: IO[str] | IO[bytes], *, of_process: bool = False) -> bool:
    """Lock an open file until it is closed; return False if another process, or this one, has locked it already.

    Return True on a file system without locks. With ``of_process``, forked children do not inherit the lock, and the
    same process may lock the file again.
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
    """Open the lock file ``path``, creating it if it is missing, and lock it as :func:`try_lock` does.

    Return None if it is locked already. The content of the file is not changed.
    """
    file = path.open("a+", encoding="ascii")
    if try_lock(file, of_process=of_process):
        return file
    file.close()
    return None
