"""The row of a study that cannot be read: which of its slices are to blame."""

from __future__ import annotations

import os
from collections.abc import Callable

from medad.io import UnreadableImage
from medad.scoring.index.file_info import explained
from medad.scoring.index.ledger import Entry, shown
from medad.types import Study


def failure(study: Study, error: UnreadableImage, read: Callable[[Study], object]) -> Entry:
    """The row of a study that ``read`` could not read, which says which of its slices are to blame.

    The error names a file, but what is wrong with the whole names the first: only one that cannot be read by itself
    is to blame.
    """
    if len(study.files) == 1 or error.path not in study.files:
        return Entry("failed", explained(error), kind=error.kind)
    try:
        read(Study(study.id, (error.path,)))
    except UnreadableImage as alone:
        reason = f"its slice {shown(os.fsencode(error.path.name))}: {explained(alone)}"
        return Entry("failed", reason, kind=alone.kind)
    return Entry("failed", explained(error), kind=error.kind)
