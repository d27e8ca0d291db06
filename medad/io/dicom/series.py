"""Group DICOM headers to studies: the slices of one series and stack are one study, any other instance is its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydicom.tag import Tag

from medad.io.core.errors import UnreadableImage, guarded
from medad.io.core.settings import ReadSettings
from medad.io.dicom.acquisition import marks_of, tags_of_marks, times_of
from medad.io.dicom.copies import without_copies
from medad.io.dicom.geometry import along_normal, plane_of, same_stack
from medad.io.dicom.header import Header, open_dicom
from medad.io.dicom.object_kinds import claims_an_image, may_be_a_slice, not_an_image, sop_class
from medad.io.dicom.slice import Slice, Stack, plane_of_slice
from medad.io.dicom.splitting import divided
from medad.io.dicom.tiled_volumes import tags_of_tiles
from medad.types import Skipped

ALIKE = ("Rows", "Columns", "PhotometricInterpretation", "FrameOfReferenceUID", "SOPClassUID", "LOCALIZER")
_KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"),
    *("Modality", "PatientID"),
    *("Rows", "Columns", "NumberOfFrames", "PhotometricInterpretation", "TotalPixelMatrixRows"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "DirectoryRecordSequence",
)
_TAGS = list(dict.fromkeys([*map(Tag, _KEYWORDS), *tags_of_tiles(), *tags_of_marks()]))


def header_of(path: Path) -> Slice | Skipped | UnreadableImage:
    """Read a DICOM header without its pixels.

    An object that is no image is returned as ``Skipped``, an unreadable file as ``UnreadableImage``.
    """
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
    """Return the values of a header that grouping needs."""
    single = header.text("NumberOfFrames") in ("", "1")
    series, study = header.text("SeriesInstanceUID"), header.text("StudyInstanceUID")
    number = header.text("PatientID")
    instance, patient = header.text("SOPInstanceUID"), hashlib.sha256(number.encode()).hexdigest()[:12]
    plane = plane_of(header, (), []) if single and series and may_be_a_slice(header) else None
    if plane is None:
        return Slice(header.path, series, instance, patient if number else None, None, study=study)
    localizer = "LOCALIZER" if "LOCALIZER" in header.texts("ImageType") else ""
    return Slice(
        header.path,
        series,
        instance,
        patient if number else None,
        plane,
        (*(header.text(name) for name in ALIKE[:4]), sop_class(header), localizer),
        marks_of(header),
        times_of(header),
        _stated_slice_distance(header),
        study=study,
    )


def _stated_slice_distance(header: Header) -> float:
    """Return the stated distance of slices in mm, 0 if there is none."""
    try:
        return abs(header.number("SpacingBetweenSlices", 0.0))
    except UnreadableImage:  # optional: an image is read without it
        return 0.0


def stacks_of(slices: Sequence[Slice], root: Path) -> Iterator[Stack | Skipped | UnreadableImage]:
    """Split one series into stacks. A copy of a slice is yielded as ``Skipped``, with names relative to ``root``.

    Slices belong to different stacks if they differ in size, photometric interpretation, frame of reference,
    orientation or pixel spacing, or if only one is a localizer. Slices of a stack that lie at equal places or between
    each other are split by acquisition, echo, time point and so on (:mod:`medad.io.dicom.splitting`). If no element
    splits them they stay together, and reading the study raises an error.
    """
    stacks: list[list[Slice]] = []
    for image in without_copies(slices, root):
        if not isinstance(image, Slice):
            yield image
            continue
        for stack in stacks:
            if stack[0].alike == image.alike and same_stack(plane_of_slice(stack[0]), plane_of_slice(image)):
                stack.append(image)
                break
        else:
            stacks.append([image])
    unlike = _differing_elements(stacks)
    shared = _shared_uids(stacks)
    for stack in stacks:
        parts, names = divided(sorted(stack, key=lambda image: image.path.as_posix()))
        for part in parts:
            yield Stack(tuple(_in_order(part)), _notes(part, len(parts), names, unlike, shared))


def _differing_elements(stacks: list[list[Slice]]) -> list[str]:
    """Return the elements in which the stacks of a series differ."""
    firsts = [stack[0] for stack in stacks]
    names = [name for at, name in enumerate(ALIKE) if len({image.alike[at : at + 1] for image in firsts}) > 1]
    planes = [plane_of_slice(image) for image in firsts]
    if any(not same_stack(planes[0], plane) for plane in planes):
        names.append("ImageOrientationPatient or PixelSpacing")
    return names


def _shared_uids(stacks: list[list[Slice]]) -> set[str]:
    """Return the SOP Instance UIDs that several slices have."""
    uids: set[str] = set()
    shared: set[str] = set()
    for stack in stacks:
        for image in stack:
            (shared if image.instance in uids else uids).add(image.instance)
    return shared - {""}


def _notes(part: list[Slice], parts: int, names: Sequence[str], unlike: list[str], shared: set[str]) -> tuple[str, ...]:
    """Return notes on how a stack was split from its series, and on shared UIDs."""
    notes = []
    if unlike:
        notes.append(f"its series holds images that do not fit together: split by {', '.join(unlike)}")
    if parts > 1:
        notes.append(f"one of {parts} volumes in its series, split by {', '.join(names)}")
    count = sum(image.instance in shared for image in part)
    if count:
        notes.append(
            f"{count} of its {len(part)} files bear a SOP Instance UID that other images bear as well; their places "
            "or pixels differ, so each counts"
        )
    return tuple(notes)


def _in_order(stack: list[Slice]) -> list[Slice]:
    """Return the slices in the order of their positions."""
    places = along_normal([plane_of_slice(image) for image in stack])
    return [image for _, _, image in sorted(zip(places, (s.path.as_posix() for s in stack), stack, strict=True))]
