"""Group the slices of a series into studies, and make their rows for the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from medad.io.dicom.series import stacks_of
from medad.io.dicom.slice import Stack
from medad.scoring.index.file_info import explained, slice_of
from medad.scoring.index.scan_folder import name_of
from medad.types import Skipped

STAMP = "size || ':' || mtime || ':' || ctime || coalesce(mark, '')"  # an SQL expression for a row of ``files``

Row = tuple[object, ...]  # id, stamp, files, uid, status, reason, kind, note


def rows_in_ledger(database: Connection, series: str, base: Path, unsettled: int | None) -> Iterator[Row]:
    """Yield the rows of the studies in a series of the table ``files``.

    If a slice is new or has changed since the run number ``unsettled``, yield the existing rows: more slices may come.
    """
    query = f"SELECT path, place, {STAMP}, content, uid, since FROM files WHERE series = ? ORDER BY path"
    slices = database.execute(query, (series,)).fetchall()
    if unsettled is not None and max(row[-1] for row in slices) >= unsettled:
        for name, *_ in slices:
            query = "SELECT id, stamp, files, uid, status, reason, kind, note FROM studies WHERE id = ?"
            yield from database.execute(query, (name,))
        return
    yield from rows_of([row[:-1] for row in slices], base)


def rows_of(files: Sequence[tuple[Any, ...]], base: Path) -> Iterator[Row]:
    """Yield the rows of the studies in a series.

    ``files`` are (path, place, stamp, content, UID) of its slices, with paths relative to ``base``.
    """
    stamps = {name: stamp for name, _, stamp, *_ in files}
    uid = files[0][-1]
    slices = [slice_of(base / os.fsdecode(name), place, content) for name, place, _, content, _ in files]
    for stack in stacks_of(slices, base):
        if isinstance(stack, Stack):
            names = [name_of(image.path, base) for image in stack.slices]
            stamp = ";".join(stamps[name] for name in names)
            yield names[0], stamp, b"\0".join(names), uid, None, "", "", "; ".join(stack.notes)
        else:  # the reason is part of the stamp, so that the row is replaced if the reason changes
            name = name_of(stack.path, base)
            status, reason = ("skipped", stack.reason) if isinstance(stack, Skipped) else ("failed", explained(stack))
            yield name, f"{stamps[name]} {reason}", name, uid, status, reason, stack.kind, ""
