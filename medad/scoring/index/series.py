"""Group the slices of a series into cases, and make their rows for the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import NamedTuple

from medad.io.dicom.series import stacks_of
from medad.io.dicom.slice import Stack
from medad.scoring.core.identifiers import Level
from medad.scoring.index.file_info import explained, slice_of
from medad.scoring.index.scan_folder import name_of
from medad.scoring.index.schema import OUTCOME
from medad.types import Skipped

STAMP = "size || ':' || mtime || ':' || ctime || coalesce(mark, '')"  # an SQL expression for a row of ``files``


class FileOfSeries(NamedTuple):
    """The columns of ``files`` that grouping needs; ``since`` is the number of the run that entered the slice."""

    path: bytes
    place: str
    stamp: str
    content: str | None
    study_uid: str
    series_uid: str
    instance_uid: str
    since: int = 0

    @property
    def uids(self) -> tuple[str, str, str]:
        """The UIDs of the slice's study, series and instance, or their pseudonyms."""
        return self.study_uid, self.series_uid, self.instance_uid


class CaseOfSeries(NamedTuple):
    """The columns of ``cases`` that grouping fills: id, stamp, files and ``schema.OUTCOME``."""

    id: bytes
    stamp: str
    files: bytes
    level: Level
    study_uid: str
    series_uid: str
    instance_uid: str
    status: str | None = None
    reason: str = ""
    kind: str = ""
    note: str = ""


MARKS = ", ".join("?" * len(CaseOfSeries._fields))


def rows_in_ledger(database: Connection, series: str, base: Path, unsettled: int | None) -> Iterator[CaseOfSeries]:
    """Yield the rows of the cases in a series of the table ``files``.

    If a slice is new or has changed since the run number ``unsettled``, yield the existing rows: more slices may come.
    """
    query = f"""SELECT path, place, {STAMP}, content, study_uid, series_uid, instance_uid, since FROM files
        WHERE series = ? ORDER BY path"""
    files = [FileOfSeries(*row) for row in database.execute(query, (series,))]
    if unsettled is not None and max(file.since for file in files) >= unsettled:
        for file in files:
            query = f"SELECT id, stamp, files, {OUTCOME} FROM cases WHERE id = ?"
            yield from (CaseOfSeries(*row) for row in database.execute(query, (file.path,)))
        return
    yield from rows_of(files, base)


def rows_of(files: Sequence[FileOfSeries], base: Path) -> Iterator[CaseOfSeries]:
    """Yield the rows of the cases in a series, given its slices with paths relative to ``base``."""
    by_name = {file.path: file for file in files}
    slices = [slice_of(base / os.fsdecode(file.path), file.place, file.content) for file in files]
    results = list(stacks_of(slices, base))
    several = sum(isinstance(result, Stack) for result in results) > 1
    for result in results:
        if isinstance(result, Stack):
            parts = [by_name[name_of(image.path, base)] for image in result.slices]
            yield _row_of_stack(parts, several, "; ".join(result.notes))
        else:  # the reason is part of the stamp, so that the row is replaced if the reason changes
            file = by_name[name_of(result.path, base)]
            status, reason = (
                ("skipped", result.reason) if isinstance(result, Skipped) else ("failed", explained(result))
            )
            stamp = f"{file.stamp} {reason}"
            yield CaseOfSeries(file.path, stamp, file.path, "instance", *file.uids, status, reason, result.kind)


def _row_of_stack(files: Sequence[FileOfSeries], several: bool, note: str) -> CaseOfSeries:
    """Return the row of a stack of slices; ``several``: its series has other stacks as well."""
    names, stamps = [file.path for file in files], [file.stamp for file in files]
    study, series, instance = files[0].uids
    level: Level = "instance" if len(files) == 1 else "stack" if several else "series"
    instance = "" if level == "series" else instance
    stamp = ";".join(stamps)
    return CaseOfSeries(names[0], stamp, b"\0".join(names), level, study, series, instance, note=note)
