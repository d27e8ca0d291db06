"""One stack or several: which elements tell apart the acquisitions that share a series, orientation and pixel spacing.

A volume has one slice at each place, and its places are evenly spaced. A series whose slices fulfill that is one
volume, unless an element divides it into acquisitions that lie between each other, each evenly spaced for itself.
Where several slices lie at one place, the combination of elements is taken whose parts have each place once, evenly
spaced, in the smallest number of parts, of the fewest and strongest elements; times come last. What no combination
tells apart stays together: reading it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise

import numpy as np

from medad.io.dicom.acquisition import ACQUISITION, TIMES
from medad.io.dicom.geometry import EVEN, along_normal, on_even_grid, place_numbers
from medad.io.dicom.slice import Slice, plane_of_slice
from medad.io.picture import Array

_MOST_ELEMENTS = 4  # that are combined; of real series, diffusion of several echoes and phases needs as many
_MOST_CANDIDATES = 12
_MOST_PARTS = 3  # for each slice at the fullest place: more would be shreds
_MOST_WORK = 2_000_000  # slices times combinations that are tried: a second or two


@dataclass(frozen=True)
class _Element:
    """An element that varies: its name, and for each slice the number of its value."""

    name: str
    codes: Array


@dataclass(frozen=True)
class _Choice:
    rank: tuple[int, int]
    names: tuple[str, ...]
    codes: Array


class _Places:
    """Where the slices of a stack lie: ``numbers`` says at which place, counted along the normal."""

    def __init__(self, stack: Sequence[Slice]) -> None:
        planes = [plane_of_slice(image) for image in stack]
        self.heights = np.array(along_normal(planes))
        self.positions = np.stack([plane.position for plane in planes])
        self.numbers, self.gap = place_numbers(self.heights)
        self.count = int(self.numbers.max()) + 1
        self.most = int(np.bincount(self.numbers).max())

    def even(self, members: Array) -> bool:
        """Whether these slices make a volume."""
        order = members[np.argsort(self.heights[members], kind="stable")]
        return on_even_grid(self.positions[order], self.heights[order])

    def once(self, codes: Array) -> bool:
        """Whether no part has two slices at one place."""
        return len(np.unique(codes * self.count + self.numbers)) == len(codes)

    def rank(self, codes: Array) -> tuple[int, int] | None:
        """How good a division is, lower is better; None if it is none.

        0: all parts are volumes. 1: some have a gap, but each place is there once. 2: some places are there more than
        once, but not in those parts that hold all places.
        """
        count = int(codes.max()) + 1
        if count < 2 or count > _MOST_PARTS * self.most or (self.count > 1 and len(codes) < 2 * count):
            return None
        parts = _members(codes)
        if not self.once(codes):
            whole = sum(len(p) == self.count == len(np.unique(self.numbers[p])) for p in parts)
            return (2, -whole) if whole and self.count > 1 else None
        even = sum(self.even(part) for part in parts)
        if even == len(parts):
            return 0, len(parts)
        return (1, len(parts)) if even * 2 >= len(parts) else None


def divided(stack: list[Slice]) -> tuple[list[list[Slice]], tuple[str, ...]]:
    """The volumes in a stack, and the names of the elements that divide it; the stack itself if it is one volume."""
    if len(stack) == 1:
        return [stack], ()
    places = _Places(stack)
    elements = _varying(stack, places)
    choice = (
        _between_each_other(stack, places, elements) if places.most == 1 else _at_equal_places(stack, places, elements)
    )
    if choice is None:
        return [stack], ()
    return [[stack[index] for index in part] for part in _members(choice.codes)], choice.names


def _between_each_other(stack: list[Slice], places: _Places, elements: list[_Element]) -> _Choice | None:
    """Acquisitions that interlock, though no place is there twice. A scan that goes on where the one before it ended,
    such as one of several breath-holds, is no other volume."""
    whole = places.even(np.arange(len(stack)))
    between = float(np.median([image.between for image in stack]))
    if whole and between > 0 and abs(places.gap / between - 1) < EVEN:
        return None
    for names, codes in _combined(elements, range(1, 3)):
        parts = _members(codes)
        small = min(len(part) for part in parts)
        interlocked = _overlap([places.heights[part] for part in parts])
        aside = names == (_SIDEWAYS,) and not whole
        if small >= max(2, len(parts)) and (interlocked or aside) and all(places.even(part) for part in parts):
            return _Choice((0, len(parts)), names, codes)
    return None


def _overlap(heights: list[Array]) -> bool:
    extents = sorted((float(part.min()), float(part.max())) for part in heights)
    return any(later[0] < earlier[1] for earlier, later in pairwise(extents))


def _at_equal_places(stack: list[Slice], places: _Places, elements: list[_Element]) -> _Choice | None:
    choice = _best(_combined(elements, range(1, _MOST_ELEMENTS + 1)), places)
    if choice is None or choice.rank[0] == 2:
        by_time = _best(_with_times(stack, places, elements), places)
        choice = choice if by_time is None or (choice and choice.rank <= by_time.rank) else by_time
    return choice


def _best(divisions: Iterator[tuple[tuple[str, ...], Array]], places: _Places) -> _Choice | None:
    best: _Choice | None = None
    for names, codes in islice(divisions, _MOST_WORK // len(places.numbers) + _MOST_CANDIDATES):
        rank = places.rank(codes)
        if rank is not None and (best is None or rank < best.rank):
            best = _Choice(rank, names, codes)
            if rank == (0, places.most):  # no division has fewer parts
                break
    return best


def _combined(elements: list[_Element], sizes: range) -> Iterator[tuple[tuple[str, ...], Array]]:
    for size in sizes:
        for chosen in combinations(elements, size):
            yield tuple(one.name for one in chosen), _codes(*(one.codes for one in chosen))


def _with_times(
    stack: list[Slice], places: _Places, elements: list[_Element]
) -> Iterator[tuple[tuple[str, ...], Array]]:
    """Times with up to two elements: by their values, or by their order at each place where each slice has its own."""
    bases = [((), np.zeros(len(stack), int)), *_combined(elements, range(1, 3))]
    for ordered in (False, True):
        for names, base in bases:
            for index, name in enumerate(TIMES):
                values = [image.times[index] for image in stack] if stack[0].times else [None]
                if None in values or len(set(values)) < 2:
                    continue
                numbers = np.array(values, float)
                if not ordered:
                    yield (*names, name), _codes(base, numbers)
                elif (order := _order(_codes(base, places.numbers), numbers)) is not None:
                    yield (*names, f"{name} (its order at each place)"), _codes(base, order)


def _order(groups: Array, times: Array) -> Array | None:
    """The rank of each time within its group; None where groups differ in size, or times in a group are equal."""
    if len(set(np.bincount(groups).tolist())) > 1 or len(np.unique(np.stack([groups, times]), axis=1).T) < len(times):
        return None
    order = np.lexsort((times, groups))
    ranks = np.empty(len(times), int)
    ranks[order] = np.arange(len(times)) % int(np.bincount(groups)[0])
    return ranks


_SIDEWAYS = "ImagePositionPatient (within the plane)"


def _varying(stack: list[Slice], places: _Places) -> list[_Element]:
    """Elements that divide the stack, each in its own way, the strongest first."""
    columns = [(name, [image.marks[at] for image in stack]) for at, name in enumerate(ACQUISITION) if stack[0].marks]
    plane = plane_of_slice(stack[0])
    sideways = np.round(places.positions @ np.stack([plane.across, plane.down], axis=1), 1) + 0.0
    columns.append((_SIDEWAYS, [str(place) for place in sideways.tolist()]))
    elements: list[_Element] = []
    seen: set[bytes] = set()
    for name, values in columns:
        codes = _codes(np.array(values))
        count = int(codes.max()) + 1
        if count < 2 or (count == len(stack) and places.count > 1) or codes.tobytes() in seen:
            continue
        seen.add(codes.tobytes())
        elements.append(_Element(name, codes))
    return elements[:_MOST_CANDIDATES]


def _codes(*columns: Array) -> Array:
    """For each slice the number of its combination of values, in the order in which combinations appear first."""
    total = np.zeros(len(columns[0]), int)
    for column in columns:
        codes = _numbered(column)
        total = _numbered(total * (int(codes.max()) + 1) + codes)
    return total


def _numbered(values: Array) -> Array:
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), int)
    ranks[np.argsort(first)] = np.arange(len(first))
    return np.asarray(ranks[codes])


def _members(codes: Array) -> list[Array]:
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])
