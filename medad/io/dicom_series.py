"""DICOM headers to studies: slices of one series and one stack become one study, every other instance its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from medad.io.dicom_geometry import Plane, along_normal, plane_of, same_stack
from medad.io.dicom_header import Header, open_dicom
from medad.io.dicom_kinds import claims_an_image, not_an_image
from medad.io.errors import UnreadableImage, guarded
from medad.io.settings import ReadSettings
from medad.types import Skipped

_FLAT = frozenset(
    (
        "CR",
        "DX",
        "MG",
        "US",
        "IVUS",
        "IO",
        "PX",
        "XA",
        "RF",
        "ES",
        "GM",
        "XC",
        "OP",
        "OPT",
        "SM",
        "OT",
        "SC",
        "BI",
        "DG",
    )
)
_SPLITTERS = (
    *("AcquisitionNumber", "TemporalPositionIdentifier", "EchoNumbers", "EchoTime", "TriggerTime"),
    *("DiffusionBValue", "ImageType", "ContrastBolusAgent", "AcquisitionTime", "ContentTime"),
)
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality", "PatientID"),
    *("Rows", "Columns", "NumberOfFrames", "PhotometricInterpretation", "TotalPixelMatrixRows"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    "DirectoryRecordSequence",
    *_SPLITTERS,
]


@dataclass(frozen=True)
class Slice:
    """What is kept of a DICOM header until its series is complete. ``plane`` is None for an image of its own."""

    path: Path
    series: str
    instance: str
    patient: str | None
    plane: Plane | None
    alike: tuple[object, ...]
    marks: tuple[str, ...]


def header_of(path: Path) -> Slice | Skipped | UnreadableImage:
    """Read a DICOM header, without pixels."""
    try:
        with guarded(path):
            header = open_dicom(path, ReadSettings(), pixels=False, tags=_TAGS)
            if not len(header.tags) and not len(open_dicom(path, ReadSettings(), pixels=False).tags):
                return UnreadableImage(path, "corrupt", "its DICOM header holds no tag that can be read")
            if refusal := not_an_image(header):
                if refusal[0] == "no-pixels" and claims_an_image(header):
                    return UnreadableImage(path, "no-pixels", "it says that it is an image, but describes no pixels")
                return Skipped(path, *refusal)
            return _slice(header)
    except UnreadableImage as error:
        return error


def _slice(header: Header) -> Slice:
    modality = header.text("Modality").upper()
    single = header.text("NumberOfFrames") in ("", "1")
    series = header.text("SeriesInstanceUID")
    plane = plane_of(header, (), []) if single and series and modality not in _FLAT else None
    names = ("Rows", "Columns", "PhotometricInterpretation", "FrameOfReferenceUID", "SOPClassUID")
    localizer = "LOCALIZER" in header.texts("ImageType")
    number = header.text("PatientID")
    return Slice(
        header.path,
        series,
        header.text("SOPInstanceUID"),
        hashlib.sha256(number.encode()).hexdigest()[:12] if number else None,
        plane,
        (*(header.text(name) for name in names), localizer),
        tuple("\\".join(header.texts(name)) for name in _SPLITTERS),
    )


def stacks_of(slices: list[Slice]) -> Iterator[list[Slice] | Skipped]:
    """Split one series into stacks, each in position order; a copy of an instance is skipped and said.

    Slices are apart if they differ in size, photometric interpretation, frame of reference, orientation or pixel
    spacing, or if one is a localizer. Slices at equal places are told apart by acquisition, time point, echo and so
    on; where no tag tells them apart they stay together, and reading the study says so.
    """
    seen: set[str] = set()
    stacks: list[list[Slice]] = []
    for one in sorted(slices, key=lambda s: s.path.as_posix()):
        if one.instance and one.instance in seen:
            yield Skipped(one.path, "duplicate", "it is another copy of an instance of the same series")
            continue
        seen.add(one.instance)
        for stack in stacks:
            if stack[0].alike == one.alike and same_stack(_plane(stack[0]), _plane(one)):
                stack.append(one)
                break
        else:
            stacks.append([one])
    for stack in stacks:
        yield from _apart(stack)


def _apart(stack: list[Slice]) -> Iterator[list[Slice]]:
    if _distinct(stack):
        yield _in_order(stack)
        return
    for index in range(len(_SPLITTERS)):
        parts = _by(stack, lambda s, at=index: s.marks[at])  # type: ignore[misc]  # mypy cannot infer a default
        if len(parts) > 1 and all(len(part) > 1 and _distinct(part) for part in parts):
            yield from (_in_order(part) for part in parts)
            return
    yield _in_order(stack)


def _by(stack: list[Slice], mark: Callable[[Slice], str]) -> list[list[Slice]]:
    return [list(part) for _, part in groupby(sorted(stack, key=mark), key=mark)]


def _distinct(stack: list[Slice]) -> bool:
    places = sorted(along_normal([_plane(one) for one in stack]))
    return all(b - a > 1e-4 for a, b in pairwise(places))


def _in_order(stack: list[Slice]) -> list[Slice]:
    places = along_normal([_plane(one) for one in stack])
    return [one for _, _, one in sorted(zip(places, (s.path.as_posix() for s in stack), stack, strict=True))]


def _plane(one: Slice) -> Plane:
    if one.plane is None:
        raise ValueError("a slice without a plane belongs to no stack")
    return one.plane
