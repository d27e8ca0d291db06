"""The places of the slices of a stack, and the rank of a division of these slices into volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medad.io.core.picture import Array
from medad.io.dicom.geometry import along_normal, on_even_grid, place_numbers
from medad.io.dicom.slice import Slice, plane_of_slice

_MOST_PARTS = 3  # parts for each slice at the fullest place: more parts would be fragments of volumes


class StackPlaces:
    """The places of the slices of a stack; ``numbers`` are counted along the normal."""

    def __init__(self, stack: Sequence[Slice]) -> None:
        planes = [plane_of_slice(image) for image in stack]
        self.heights = np.array(along_normal(planes))
        self.positions = np.stack([plane.position for plane in planes])
        self.numbers, self.gap = place_numbers(self.heights)
        self.count = int(self.numbers.max()) + 1
        self.most = int(np.bincount(self.numbers).max())

    def even(self, members: Array) -> bool:
        """Return whether the slices with the indices ``members`` make a volume."""
        order = members[np.argsort(self.heights[members], kind="stable")]
        return on_even_grid(self.positions[order], self.heights[order])

    def once(self, codes: Array) -> bool:
        """Return whether no part has two slices at one place."""
        return len(np.unique(codes * self.count + self.numbers)) == len(codes)

    def rank(self, codes: Array) -> tuple[int, int] | None:
        """Return the rank of a division, lower is better; None if it is not acceptable.

        The first number is 0 if all parts are volumes, 1 if some have a gap but each place once, and 2 if some parts
        have a place more than once, but none of the parts that hold all places.
        """
        count = int(codes.max()) + 1
        if count < 2 or count > _MOST_PARTS * self.most or (self.count > 1 and len(codes) < 2 * count):
            return None
        parts = members_of(codes)
        if not self.once(codes):
            whole = sum(len(p) == self.count == len(np.unique(self.numbers[p])) for p in parts)
            return (2, -whole) if whole and self.count > 1 else None
        even = sum(self.even(part) for part in parts)
        if even == len(parts):
            return 0, len(parts)
        return (1, len(parts)) if even * 2 >= len(parts) else None


def members_of(codes: Array) -> list[Array]:
    """Return for each part the indices of its slices."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])
