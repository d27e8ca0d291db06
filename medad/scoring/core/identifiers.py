"""What a row of the results stands for in DICOM: its level, and the UIDs of its study, series and instance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Literal

# "series": the case is a whole series; "stack": one of several stacks of slices in its series; "instance": one DICOM
# instance, with one frame or several. Outside DICOM: "file", or a part of it with --split: "volume" or "page".
Level = Literal["series", "stack", "instance", "file", "volume", "page"]


@dataclass(frozen=True)
class Identifiers:
    """The UIDs of a study, a series and an instance, or their pseudonyms; "" where there is none.

    ``instance`` is "" for a whole series, and that of the first slice for a stack.
    """

    study: str = ""
    series: str = ""
    instance: str = ""

    def pseudonyms(self) -> Identifiers:
        """Return these UIDs as pseudonyms; "" stays ""."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: pseudonym(uid) if uid else "" for name, uid in values.items()})

    def of_case(self, level: Level) -> str:
        """Return the one that tells a case of this level from all others; "" outside DICOM."""
        return self.series if level == "series" else self.instance


NOT_DICOM = Identifiers()


def pseudonym(text: str) -> str:
    """Return 16 hex digits that stand for a UID, or for the path of a file without a UID.

    The hash has no salt, so a UID has the same pseudonym in all tables, and tables can be joined. Whoever has the UID
    can compute the pseudonym; the way back needs a list of UIDs.

    >>> pseudonym("1.2.840.1")
    '7d33a689bfb14d2e'
    """
    return hashlib.sha256(b"medad study " + text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
