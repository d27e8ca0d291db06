"""Keep numbers that were computed from studies on disk, so that a second run reads them instead of the images.

A key is a digest of the files' content and of everything that the numbers depend on, so that an entry never becomes
wrong: a changed file has another key. Nothing in the cache names a patient or a file. The environment variable
MEDAD_CACHE names the folder; "off" does without a cache.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
VARIABLE, OFF = "MEDAD_CACHE", "off"
FILE = "studies.sqlite"
MOST_BYTES = 4 * 2**30  # of all entries
SHARE_DELETED = 4  # a full cache loses the quarter of its entries that was unused for longest
KEYS_AT_ONCE = 500  # in one query; sqlite allows 999 variables in old versions
WAIT = 30.0  # seconds for another process that writes
SCHEMA = "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, used REAL NOT NULL)"


class StudyCache:
    """A table of bytes by key, in one sqlite file that several processes may use at once.

    A cache that cannot be read or written costs time and nothing else: it is switched off, and the log says so.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        """Use the cache in ``folder``, which is created for the user alone when the first value is written."""
        self._path = folder / FILE
        self._most_bytes = most_bytes
        self._works = True

    def read(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those of ``keys`` that are stored."""

        def select(connection: sqlite3.Connection) -> dict[str, bytes]:
            values: dict[str, bytes] = {}
            for start in range(0, len(keys), KEYS_AT_ONCE):
                part = keys[start : start + KEYS_AT_ONCE]
                marks = ",".join("?" * len(part))
                values.update(connection.execute(f"SELECT key, value FROM entries WHERE key IN ({marks})", part))
                connection.execute(f"UPDATE entries SET used = ? WHERE key IN ({marks})", (time.time(), *part))
            return values

        return (self._attempt(select) if self._path.is_file() else None) or {}

    def write(self, values: Mapping[str, bytes]) -> None:
        """Store ``values`` by key, and delete those that were unused for longest if the cache is too large."""

        def insert(connection: sqlite3.Connection) -> None:
            now = time.time()
            rows = [(key, value, now) for key, value in values.items()]
            connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
            if _used_bytes(connection) > self._most_bytes:
                connection.execute(
                    "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY used LIMIT "
                    f"(SELECT COUNT(*) / {SHARE_DELETED} FROM entries))"
                )

        self._attempt(insert)

    def _attempt(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return the result of ``action`` in a transaction; an error switches the cache off and gives None."""
        if not self._works:
            return None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=WAIT)) as connection, connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(SCHEMA)
                return action(connection)
        except (sqlite3.Error, OSError) as error:
            self._works = False
            log.warning("%s: the cache cannot be used (%s); features are computed again", self._path, error)
            return None


def _used_bytes(connection: sqlite3.Connection) -> int:
    """Return the size of the pages that hold entries; counting them all would read the whole file."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def default_cache() -> StudyCache | None:
    """Return the cache in $MEDAD_CACHE, by default ~/.cache/medad; None if that variable is "off"."""
    named = os.environ.get(VARIABLE, "")
    if named == OFF:
        return None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return StudyCache(Path(named) if named else Path(base) / "medad")
