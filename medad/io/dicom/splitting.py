"""Split a stack into volumes by the elements that distinguish its acquisitions.

The slices of a stack share series, orientation and pixel spacing. A volume has one slice at each place, and its places
are evenly spaced. A stack that fulfills this is one volume, unless an element divides it into acquisitions that lie
between each other, each evenly spaced. If several slices lie at one place, the stack is divided by the combination of
elements whose parts have each place once and evenly spaced, with the fewest parts, then the fewest and strongest
elements; times come last. If no combination divides it, the stack stays together, and reading it raises an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice, pairwise

import numpy as np

from medad.io.core.picture import Array
from medad.io.dicom.acquisition import ACQUISITION, TIMES
from medad.io.dicom.geometry import EVEN
from medad.io.dicom.slice import Slice, plane_of_slice
from medad.io.dicom.stack_places import StackPlaces, members_of

_MOST_ELEMENTS = 4  # combined at most; diffusion with several echoes and phases needs four
_MOST_CANDIDATES = 12
_MOST_WORK = 2_000_000  # slices times combinations that are tried: one or two seconds


@dataclass(frozen=True)
class _Element:
    """An element that varies: its name, and for each slice the code of its value."""

    name: str
    codes: Array


@dataclass(frozen=True)
class _Choice:
    """A division of the stack: its rank, the names of its elements, and for each slice the code of its part."""

    rank: tuple[int, int]
    names: tuple[str, ...]
    codes: Array


def divided(stack: list[Slice]) -> tuple[list[list[Slice]], tuple[str, ...]]:
    """Return the volumes in a stack, and the names of the elements that divide it; the stack itself if it is one
    volume.
    """
    if len(stack) == 1:
        return [stack], ()
    places = StackPlaces(stack)
    elements = _dividing_elements(stack, places)
    choice = (
        _interlocked_volumes(stack, places, elements)
        if places.most == 1
        else _volumes_at_equal_places(stack, places, elements)
    )
    if choice is None:
        return [stack], ()
    return [[stack[index] for index in part] for part in members_of(choice.codes)], choice.names


def _interlocked_volumes(stack: list[Slice], places: StackPlaces, elements: list[_Element]) -> _Choice | None:
    """Return a division into acquisitions that interlock without sharing a place.

    A scan that continues where another ended, such as one of several breath-holds, is not another volume.
    """
    whole = places.even(np.arange(len(stack)))
    between = float(np.median([image.between for image in stack]))
    if whole and between > 0 and abs(places.gap / between - 1) < EVEN:
        return None
    for names, codes in _combined(elements, range(1, 3)):
        parts = members_of(codes)
        small = min(len(part) for part in parts)
        interlocked = _overlap([places.heights[part] for part in parts])
        aside = names == (_SIDEWAYS,) and not whole
        if small >= max(2, len(parts)) and (interlocked or aside) and all(places.even(part) for part in parts):
            return _Choice((0, len(parts)), names, codes)
    return None


def _overlap(heights: list[Array]) -> bool:
    """Return whether the extents of any two parts overlap."""
    extents = sorted((float(part.min()), float(part.max())) for part in heights)
    return any(later[0] < earlier[1] for earlier, later in pairwise(extents))


def _volumes_at_equal_places(stack: list[Slice], places: StackPlaces, elements: list[_Element]) -> _Choice | None:
    """Return a division of slices of which several lie at one place."""
    choice = _best_division(_combined(elements, range(1, _MOST_ELEMENTS + 1)), places)
    if choice is None or choice.rank[0] == 2:
        by_time = _best_division(_combined_with_times(stack, places, elements), places)
        choice = choice if by_time is None or (choice and choice.rank <= by_time.rank) else by_time
    return choice


def _best_division(divisions: Iterator[tuple[tuple[str, ...], Array]], places: StackPlaces) -> _Choice | None:
    """Return the first division of the best rank; the number of divisions that are tried is limited."""
    best: _Choice | None = None
    for names, codes in islice(divisions, _MOST_WORK // len(places.numbers) + _MOST_CANDIDATES):
        rank = places.rank(codes)
        if rank is not None and (best is None or rank < best.rank):
            best = _Choice(rank, names, codes)
            if rank == (0, places.most):  # no division has fewer parts
                break
    return best


def _combined(elements: list[_Element], sizes: range) -> Iterator[tuple[tuple[str, ...], Array]]:
    """Yield each combination of elements: their names, and for each slice the code of its values."""
    for size in sizes:
        for chosen in combinations(elements, size):
            yield tuple(element.name for element in chosen), _combination_codes(*(element.codes for element in chosen))


def _combined_with_times(
    stack: list[Slice], places: StackPlaces, elements: list[_Element]
) -> Iterator[tuple[tuple[str, ...], Array]]:
    """Yield times combined with up to two elements.

    Times divide by their values, or by their order at each place if every slice has its own time.
    """
    bases = [((), np.zeros(len(stack), int)), *_combined(elements, range(1, 3))]
    for ordered in (False, True):
        for names, base in bases:
            for index, name in enumerate(TIMES):
                values = [image.times[index] for image in stack] if stack[0].times else [None]
                if None in values or len(set(values)) < 2:
                    continue
                numbers = np.array(values, float)
                if not ordered:
                    yield (*names, name), _combination_codes(base, numbers)
                elif (order := _rank_within_group(_combination_codes(base, places.numbers), numbers)) is not None:
                    yield (*names, f"{name} (its order at each place)"), _combination_codes(base, order)


def _rank_within_group(groups: Array, times: Array) -> Array | None:
    """Return the rank of each time within its group.

    Return None if groups differ in size, or if times in a group are equal.
    """
    if len(set(np.bincount(groups).tolist())) > 1 or len(np.unique(np.stack([groups, times]), axis=1).T) < len(times):
        return None
    order = np.lexsort((times, groups))
    ranks = np.empty(len(times), int)
    ranks[order] = np.arange(len(times)) % int(np.bincount(groups)[0])
    return ranks


_SIDEWAYS = "ImagePositionPatient (within the plane)"


def _dividing_elements(stack: list[Slice], places: StackPlaces) -> list[_Element]:
    """Return the elements that divide the stack, each in a different way, the strongest first."""
    columns = [(name, [image.marks[at] for image in stack]) for at, name in enumerate(ACQUISITION) if stack[0].marks]
    plane = plane_of_slice(stack[0])
    sideways = np.round(places.positions @ np.stack([plane.across, plane.down], axis=1), 1) + 0.0
    columns.append((_SIDEWAYS, [str(place) for place in sideways.tolist()]))
    elements: list[_Element] = []
    divisions: set[bytes] = set()
    for name, values in columns:
        codes = _combination_codes(np.array(values))
        count = int(codes.max()) + 1
        if count < 2 or (count == len(stack) and places.count > 1) or codes.tobytes() in divisions:
            continue
        divisions.add(codes.tobytes())
        elements.append(_Element(name, codes))
    return elements[:_MOST_CANDIDATES]


def _combination_codes(*columns: Array) -> Array:
    """Return for each slice the code of its combination of values, numbered by first appearance."""
    total = np.zeros(len(columns[0]), int)
    for column in columns:
        codes = _codes_by_appearance(column)
        total = _codes_by_appearance(total * (int(codes.max()) + 1) + codes)
    return total


def _codes_by_appearance(values: Array) -> Array:
    """Return for each value its code, numbered by first appearance."""
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    ranks = np.empty(len(first), int)
    ranks[np.argsort(first)] = np.arange(len(first))
    return np.asarray(ranks[codes])
