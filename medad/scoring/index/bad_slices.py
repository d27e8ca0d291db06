"""The row of a study that cannot be read, with the name of its bad slice."""

from __future__ import annotations

import os
from collections.abc import Callable

from medad.io import UnreadableImage
from medad.scoring.core.entries import Entry, name_as_text
from medad.scoring.index.file_info import explained
from medad.types import Study


def failure(study: Study, error: UnreadableImage, read: Callable[[Study], object]) -> Entry:
    """Return the failed row of a study for which ``read`` raised ``error``; it names the bad slice, if there is one.

    An error of the whole study names its first file, so the file that ``error`` names is read alone: it is the bad
    slice only if it cannot be read alone either.
    """
    if len(study.files) == 1 or error.path not in study.files:
        return Entry("failed", explained(error), kind=error.kind)
    try:
        read(Study(study.id, (error.path,)))
    except UnreadableImage as alone:
        reason = f"its slice {name_as_text(os.fsencode(error.path.name))}: {explained(alone)}"
        return Entry("failed", reason, kind=alone.kind)
    return Entry("failed", explained(error), kind=error.kind)
