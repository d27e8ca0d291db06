"""Describe in which elements slices at one place differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.dicom.acquisition import ACQUISITION, TIMES, marks_of, times_of
from medad.io.dicom.geometry import Plane, along_normal, place_numbers
from medad.io.dicom.instance import Instance

Values = tuple[str | float | None, ...]


def with_differences(error: UnreadableImage, instances: Sequence[Instance], planes: Sequence[Plane]) -> UnreadableImage:
    """Return the error of a volume with several slices at one place, extended by the elements in which these differ."""
    numbers, _ = place_numbers(np.array(along_normal(planes)))
    values = [value for instance in instances for value in _values_of_frames(instance)]
    at_place: dict[int, list[Values]] = defaultdict(list)
    for number, value in zip(numbers.tolist(), values, strict=True):
        at_place[number].append(value)
    names = [
        name
        for at, name in enumerate((*ACQUISITION, *TIMES))
        if any(len({value[at] for value in group}) > 1 for group in at_place.values())
    ]
    sentence = f"they differ in {', '.join(names)}" if names else "no element of their headers tells them apart"
    return UnreadableImage(error.path, error.kind, f"{error.reason}; {sentence}", error.remedy)


def _values_of_frames(instance: Instance) -> list[Values]:
    """Return the marks and times of each frame of an instance."""
    header = instance.header
    shared = header.items("SharedFunctionalGroupsSequence")
    per_frame = header.items("PerFrameFunctionalGroupsSequence")
    groups = [[*per_frame[index : index + 1], *shared] for index in range(len(instance.frames))]
    return [(*marks_of(header, group), *times_of(header, group)) for group in groups]
