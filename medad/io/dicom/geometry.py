"""Place slices in space: planes from headers, the order of slices, and the affine of their volume.

Source: DICOM PS3.3 C.7.6.2.1.1 (image plane). Positions are in LPS mm here; affines map to RAS mm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import LPS_TO_RAS, Array
from medad.io.dicom.header import Header
from medad.wording import counted

SAME_DIRECTION = 1e-3
SAME_PLACE = 1e-4  # mm
EVEN = 0.1  # largest deviation of a gap between slices from the usual gap, in usual gaps
_ON_LINE = 0.05  # largest distance of a slice from the line from first to last, in steps
_REMEDY = "ask the sender for all its slices, on one even grid"
_BY_SLICE = "read_image(file) reads its slices one by one"


@dataclass(frozen=True)
class Plane:
    """The place of one slice.

    ``position`` is the center of the first pixel. ``across`` and ``down`` are unit vectors along a row (columns grow)
    and along a column (rows grow). ``spacing`` is mm between (columns, rows), ``thickness`` is in mm.
    """

    position: Array
    across: Array
    down: Array
    spacing: tuple[float, float]
    thickness: float

    @property
    def normal(self) -> Array:
        """Return the unit vector from slice to slice, across x down."""
        (a, b, c), (d, e, f) = self.across.tolist(), self.down.tolist()
        return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


def plane_of(header: Header, groups: Sequence[Header], notes: list[str]) -> Plane | None:
    """Return the plane of a frame, from its functional groups or the header; None if not stated or invalid."""
    places = [item for place in groups for name in _GROUPS for item in place.items(name)] + [header]

    def first(keyword: str, count: int) -> list[float]:
        return next((numbers for p in places if len(numbers := p.numbers(keyword)) >= count), [])

    position, cosines = first("ImagePositionPatient", 3), first("ImageOrientationPatient", 6)
    spacing = first("PixelSpacing", 2)
    if len(position) != 3 or len(cosines) != 6 or len(spacing) < 2 or min(spacing) <= 0:
        return None
    across, down = np.asarray(cosines[:3]), np.asarray(cosines[3:])
    lengths = math.hypot(*cosines[:3]), math.hypot(*cosines[3:])
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(across @ down))) > 0.01:
        notes.append("the stated orientation is not two unit vectors at right angles: it is not used")
        return None
    thickness = first("SliceThickness", 1)
    return Plane(
        np.asarray(position),
        across / lengths[0],
        down / lengths[1],
        (spacing[1], spacing[0]),
        thickness[0] if thickness and thickness[0] > 0 else 1.0,
    )


_GROUPS = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")


def same_stack(a: Plane, b: Plane) -> bool:
    """Return whether two slices can belong to one volume: their orientation and pixel spacing agree."""
    turned = max(float(np.abs(a.across - b.across).max()), float(np.abs(a.down - b.down).max()))
    return turned < SAME_DIRECTION and bool(np.allclose(a.spacing, b.spacing, rtol=1e-3, atol=0))


def along_normal(planes: Sequence[Plane]) -> list[float]:
    """Return the position of each slice in mm along the normal of the first slice."""
    normal = planes[0].normal
    return [float(plane.position @ normal) for plane in planes]


def place_numbers(heights: Array) -> tuple[Array, float]:
    """Number the places of slices from below.

    Slices less than a twentieth of the usual gap apart lie at one place.

    Returns:
        For each of ``heights`` (mm along the normal) the number of its place; the usual gap between places in mm.
    """
    order = np.argsort(heights, kind="stable")
    gaps = np.diff(heights[order])
    wide = gaps[gaps > 10 * SAME_PLACE]
    usual = float(np.median(wide)) if len(wide) else 0.0
    numbers = np.empty(len(heights), int)
    numbers[order] = np.concatenate([[0], np.cumsum(gaps > max(SAME_PLACE, 0.05 * usual))])
    return numbers, usual


def on_even_grid(positions: Array, heights: Array) -> bool:
    """Return whether slices in order make a volume: ``positions`` ``(N, 3)`` in mm, evenly spaced along one line."""
    if len(heights) < 3:
        return len(heights) < 2 or bool(heights[1] - heights[0] > SAME_PLACE)
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    if usual <= SAME_PLACE or np.abs(gaps / usual - 1).max() > EVEN:
        return False
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    off = np.linalg.norm(positions - positions[0] - np.outer(np.arange(len(positions)), step), axis=1)
    return bool(off.max() <= max(_ON_LINE * float(np.linalg.norm(step)), 1e-3))


def slice_affine(plane: Plane, step: Array | None = None) -> Array:
    """Return the affine ``(4, 4)`` from index (column, row, slice) to RAS mm.

    ``step`` is the vector from slice to slice in LPS mm, by default the normal times the thickness.
    """
    lps = np.eye(4)
    lps[:3, 0] = plane.across * plane.spacing[0]
    lps[:3, 1] = plane.down * plane.spacing[1]
    lps[:3, 2] = plane.normal * plane.thickness if step is None else step
    lps[:3, 3] = plane.position
    return LPS_TO_RAS @ lps


def stacked(planes: Sequence[Plane], path: Path, tolerance: float, notes: list[str]) -> tuple[list[int], Array]:
    """Return the order of slices by position, and the affine of their volume.

    ``tolerance`` is how far a slice may lie off the even grid, in slice spacings.

    Raises:
        UnreadableImage: mixed-orientations, duplicate-slices, missing-slices or uneven-spacing.
    """
    if not all(same_stack(planes[0], plane) for plane in planes):
        raise UnreadableImage(
            path, "mixed-orientations", "its slices do not lie parallel on one grid", _REMEDY, _BY_SLICE
        )
    places = along_normal(planes)
    order = sorted(range(len(planes)), key=lambda i: places[i])
    if len(planes) == 1:
        return order, slice_affine(planes[0])
    gaps = np.diff([places[i] for i in order])
    usual = float(np.median(gaps))
    if gaps.min() <= max(SAME_PLACE, 0.05 * usual):
        reason = f"several of its {len(planes)} slices lie at the same place"
        raise UnreadableImage(path, "duplicate-slices", reason, "send each acquisition or time point as its own series")
    _check_even(gaps, usual, path, tolerance)
    first, last = planes[order[0]], planes[order[-1]]
    step = (last.position - first.position) / (len(planes) - 1)
    sideways = step - first.normal * (step @ first.normal)
    if np.linalg.norm(sideways) > tolerance * np.linalg.norm(step):
        notes.append("the slices are sheared (gantry tilt): the affine says so, the pixels are not resampled")
    ideal = first.position + np.outer(np.arange(len(planes)), step)
    off = np.linalg.norm(np.stack([planes[i].position for i in order]) - ideal, axis=1).max()
    if off > max(tolerance * float(np.linalg.norm(step)), 1e-3):
        raise UnreadableImage(
            path, "uneven-spacing", f"a slice lies {off:.3g} mm off the even grid", _REMEDY, _BY_SLICE
        )
    return order, slice_affine(first, step)


def _check_even(gaps: Array, usual: float, path: Path, tolerance: float) -> None:
    """Refuse gaps in mm that differ from the usual gap, or that missing slices explain."""
    times = gaps / usual
    wide = times[times > 1 + max(tolerance, 0.02)]
    if len(wide) and np.all(np.abs(wide - np.rint(wide)) < 0.1) and np.all(np.abs(times[times <= 1.5] - 1) < 0.1):
        missing = int(np.sum(np.rint(wide) - 1))
        if missing:
            reason = f"between its {len(gaps) + 1} slices, {counted(missing, 'is', 'are')} missing"
            raise UnreadableImage(path, "missing-slices", reason, _REMEDY, _BY_SLICE)
    if np.abs(times - 1).max() > max(2 * tolerance, 0.02):
        reason = f"its slices are {gaps.min():.3g} to {gaps.max():.3g} mm apart"
        raise UnreadableImage(path, "uneven-spacing", reason, _REMEDY, _BY_SLICE)
