"""One bad slice must not cost a series where the folder holds another copy of that slice.

A header tells whether a file is a slice, and copies of an instance are left out before any pixel is read. So it may be
the bad one that was taken. Its series then fails once, with the slice named in the row; the slice is a failure of its
own from then on, and the series is put together without it, so with the copy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from medad.io import UnreadableImage
from medad.ledger import Entry, Ledger, shown
from medad.scoring.looks import explained
from medad.types import Study

_BAD = "bad_slice"  # facts of a failed row: the slice's place among the study's files, and what is wrong with it
_COPY = """SELECT 1 FROM files AS other JOIN files AS bad ON (other.series, other.instance) = (bad.series, bad.instance)
    WHERE bad.path = ? AND other.path != bad.path AND (bad.look, other.look) = ('slice', 'slice')"""


def failure(study: Study, error: UnreadableImage, read: Callable[[Study], object]) -> Entry:
    """The row of a study that ``read`` could not read; where one of its slices is to blame, the row says which.

    The error names a file, but what is wrong with the whole names the first: only one that cannot be read by itself
    is to blame.
    """
    if len(study.files) == 1 or error.path not in study.files:
        return Entry("failed", explained(error))
    try:
        read(Study(study.id, (error.path,)))
    except UnreadableImage as alone:
        reason = explained(alone)
        said = f"its slice {shown(os.fsencode(error.path.name))}: {reason}"
        return Entry("failed", said, facts={_BAD: [study.files.index(error.path), reason]})
    return Entry("failed", explained(error))


def exchange(ledger: Ledger) -> bool:
    """Take slices for failures of their own that made a series fail, and of which there are copies; whether any was.

    The studies have to be put together anew then. Each slice is taken out once, so this comes to an end.
    """
    database = ledger.database
    query = f"""SELECT files, json_extract(facts, '$.{_BAD}') FROM studies
        WHERE status = 'failed' AND json_extract(facts, '$.{_BAD}') IS NOT NULL"""
    bad = []
    for files, said in database.execute(query):
        place, reason = json.loads(said)
        name = files.split(b"\0")[place]
        if database.execute(_COPY, (name,)).fetchone():
            bad.append((reason, name))
    if bad:
        with ledger.writing():
            database.executemany(
                "UPDATE files SET look = 'failed', reason = ?, series = NULL, place = NULL, instance = NULL "
                "WHERE path = ?",
                bad,
            )
    return bool(bad)
