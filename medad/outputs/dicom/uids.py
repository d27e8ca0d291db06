"""Derive the UIDs of result objects, so that the same result always has the same UIDs, and another one has others."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

FORMAT = 1  # of the objects: raise it when the content of an object changes for the same result
_NAMESPACE = uuid.UUID("6a0e3f0c-5a0f-5c8e-9d57-0d3d2f1c6b51")  # arbitrary, and fixed for all time
_RANDOM = ("DimensionOrganizationUID",)  # what highdicom draws anew for each object


@dataclass(frozen=True)
class Uids:
    """The UIDs of one object of ``kind``, derived from ``result``: a text that determines its content."""

    kind: str
    result: str

    def __call__(self, role: str) -> str:
        """Return the UID for ``role``, such as "instance": 2.25 and a name-based UUID (DICOM PS3.5, B.2).

        >>> Uids("seg", "a")("instance") == Uids("seg", "a")("instance") != Uids("seg", "b")("instance")
        True
        """
        return f"2.25.{uuid.uuid5(_NAMESPACE, f'{self.kind} {role} {self.result}').int}"

    @property
    def instance(self) -> str:
        """The SOP Instance UID."""
        return self("instance")

    @property
    def series(self) -> str:
        """The Series Instance UID; each object has a series of its own."""
        return self("series")

    def replace_random(self, dataset: Dataset) -> None:
        """Replace the UIDs that highdicom draws at random, in ``dataset`` and its sequences."""
        for element in dataset:
            if element.VR == "SQ":
                for item in element.value:
                    self.replace_random(item)
            elif element.keyword in _RANDOM:
                element.value = self(element.keyword)


def result_text(instances: Sequence[str], facts: Mapping[str, object], scores: Mapping[str, float]) -> str:
    """Return a digest of what determines the objects of a case.

    Args:
        instances: the SOP Instance UIDs of the source, in order.
        facts: plain JSON: digests of model and settings, the map, the version of medad.
        scores: all scores of the case.
    """
    content = [FORMAT, list(instances), dict(facts), dict(scores)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
