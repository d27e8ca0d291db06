"""Read the headers of the source instances of a case, mended so far that result objects can be built on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from medad.io.core.errors import guarded
from medad.io.core.formats import head_of, sniff
from medad.io.core.settings import ReadSettings
from medad.io.dicom.geometry import Plane, along_normal, plane_of
from medad.io.dicom.header import Header, open_dicom
from medad.types import MedadError

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
# Elements of type 2 in the modules of patient, study and series: they must be present, and may be empty (PS3.3).
_MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
    *("StudyID", "ReferringPhysicianName"),
)
_PLACE = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
_SEXES = ("M", "F", "O", "")
_CHECKED = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UI"})
_COPIED_GROUPS = (0x0008, 0x0010, 0x0012, 0x0032, 0x0038, 0x0040)  # patient, study and visit, which results repeat


class NoDicomResult(MedadError):
    """A DICOM object that cannot be made for this case; the message says why, and quotes no value of the header."""


@dataclass(frozen=True)
class Source:
    """The source of a case: ``headers`` without pixels, and the place of each of its N scored slices in them.

    Several headers belong to files of one frame each, in the order of the slices, and ``frames`` is empty. A single
    header of several frames has ``frames``: the frame number, from 1, of each slice. ``characters`` is the character
    set of the files, None if none is stated; text in ``headers`` is decoded.
    """

    headers: tuple[Dataset, ...]
    frames: tuple[int, ...] = ()
    characters: str | Sequence[str] | None = None

    @property
    def first(self) -> Dataset:
        """The header of the first slice."""
        return self.headers[0]

    def slice_header(self, index: int) -> Dataset:
        """Return the header of the instance that slice ``index`` is in."""
        return self.headers[0 if self.frames else index]

    def in_stored_order(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reorder slices (N, rows, columns) to the order of ``headers``, or of the frames of a single one."""
        return slices[np.argsort(self.frames)] if self.frames else slices


def read_source(files: Sequence[Path]) -> Source:
    """Read the headers of a case.

    Raises:
        NoDicomResult: a file is no DICOM, or its header lacks a UID.
        UnreadableImage: a file cannot be read.
    """
    headers = []
    for path in files:
        with guarded(path):
            is_dicom = sniff(head_of(path)) == "dicom"
            if is_dicom:
                headers.append(open_dicom(path, ReadSettings(), pixels=False))
        if not is_dicom:
            raise NoDicomResult("the source is no DICOM file, so there is no study that a result could belong to")
    frames = headers[0].integer("NumberOfFrames", 1) if len(headers) == 1 else 1
    _state_thickness(headers)
    characters = headers[0].tags.get("SpecificCharacterSet")
    for header in headers:
        _mend(header.tags, whole=header is headers[0])
    if frames > 1:
        order = tuple(index + 1 for index in _frame_order(headers[0], frames))
        return Source((headers[0].tags,), order, characters)
    return Source(tuple(headers[index].tags for index in _file_order(headers)), characters=characters)


def _state_thickness(headers: Sequence[Header]) -> None:
    """Add the distance of slices as their thickness where a series does not state it."""
    without = [header for header in headers if not header.has("SliceThickness")]
    planes = [plane for header in headers if (plane := plane_of(header, (), [])) is not None]
    if without and len(planes) > 1:
        heights = along_normal(planes)
        for header in without:
            header.tags.SliceThickness = f"{(max(heights) - min(heights)) / (len(planes) - 1):.6g}"


def _file_order(headers: Sequence[Header]) -> list[int]:
    """Return the order in which the reader stacks files."""
    planes = [plane_of(header, (), []) for header in headers]
    return _order(planes) if len(headers) > 1 else [0]


def _frame_order(header: Header, count: int) -> list[int]:
    """Return the order in which the reader stacks the frames of one file."""
    shared, per_frame = (
        header.items("SharedFunctionalGroupsSequence"),
        header.items("PerFrameFunctionalGroupsSequence"),
    )
    if not per_frame:
        return list(range(count))
    return _order([plane_of(header, [groups, *shared], []) for groups in per_frame])


def _order(planes: Sequence[Plane | None]) -> list[int]:
    """Return the order of planes along their normal, or the given order if a place is missing."""
    placed = [plane for plane in planes if plane is not None]
    if len(placed) < len(planes):
        return list(range(len(planes)))
    heights = along_normal(placed)
    return sorted(range(len(placed)), key=lambda index: heights[index])


def _mend(header: Dataset, *, whole: bool) -> None:
    """Check a header, add elements that must be present, and with ``whole`` empty values that break their type's rules.

    Raises:
        NoDicomResult: a UID is missing.
    """
    for keyword in _IDENTITY:
        if not header.get(keyword):
            raise NoDicomResult(f"the source states no {keyword}, which a result has to refer to")
    if whole:
        header.decode()
        for tag in [tag for tag in header.keys() if tag.group in _COPIED_GROUPS]:  # noqa: SIM118 (parses nothing)
            if not _valid(header, tag):
                del header[tag]
        _drop_empty_windows(header)
        _complete_deidentification(header)
    header.pop("SpecificCharacterSet", None)  # highdicom refuses sets that pydicom reads and writes
    _drop_incomplete_place(header)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in header:
            setattr(header, keyword, "")
    if not header.get("Modality"):
        header.Modality = "OT"
    if str(header.PatientSex or "") not in _SEXES:
        header.PatientSex = ""


def _complete_deidentification(header: Dataset) -> None:
    """Delete the statement that identity was removed if it does not say how, which its type 1C demands."""
    if not header.get("DeidentificationMethod") and not header.get("DeidentificationMethodCodeSequence"):
        header.pop("PatientIdentityRemoved", None)


def _drop_incomplete_place(header: Dataset) -> None:
    """Delete the frame of reference of an instance that does not state its place in it."""
    framed = any(header.get(name) for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"))
    if not framed and any(header.get(name) is None for name in _PLACE):
        header.pop("FrameOfReferenceUID", None)


def _drop_empty_windows(header: Dataset) -> None:
    """Delete from the functional groups of frames the windows without a value, on which highdicom fails."""
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for groups in header.get(name) or ():
            windows = groups.get("FrameVOILUTSequence") or ()
            if any(window.get("WindowCenter") is None and "VOILUTSequence" not in window for window in windows):
                del groups.FrameVOILUTSequence


def _valid(header: Dataset, tag: int) -> bool:
    """Return whether the value of an element keeps the rules of its type, which validators of the result check."""
    try:
        element = header[tag]
        if element.VR not in _CHECKED or element.value is None:
            return True
        values = element.value if element.VM > 1 else [element.value]
        for value in values:
            validate_value(element.VR, str(value), RAISE)
    except Exception:  # broad on purpose: pydicom raises what the wrong bytes provoke, of any type
        return False
    return True
