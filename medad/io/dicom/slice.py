"""The values of a DICOM header that are needed until its series is complete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medad.io.dicom.geometry import Plane


@dataclass(frozen=True)
class Slice:
    """One image of a series, or an image of its own (``plane`` is None).

    ``patient`` is a hash of PatientID. ``alike`` holds the values of ``series.ALIKE``, ``marks`` those of
    ``acquisition.ACQUISITION`` and ``times`` those of ``acquisition.TIMES``; they are compared within a series only.
    ``between`` is the stated distance of slices in mm, 0 if there is none. ``content`` is a digest of the pixels'
    values, "" if none was needed. ``study`` is its StudyInstanceUID, "" if it states none.
    """

    path: Path
    series: str
    instance: str
    patient: str | None
    plane: Plane | None
    alike: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    times: tuple[float | None, ...] = ()
    between: float = 0.0
    content: str = ""
    study: str = ""


@dataclass(frozen=True)
class Stack:
    """The slices of one volume in position order, with notes on how they were grouped."""

    slices: tuple[Slice, ...]
    notes: tuple[str, ...] = ()


def plane_of_slice(image: Slice) -> Plane:
    """Return the plane of an image that has one.

    Raises:
        ValueError: The image has no plane.
    """
    if image.plane is None:
        raise ValueError("a slice without a plane belongs to no stack")
    return image.plane
