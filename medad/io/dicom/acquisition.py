"""What tells the images of a series apart: acquisition, echo, part of a complex image, diffusion weighting, time.

Source: DICOM PS3.3 C.7.6 and C.8 (the standard's elements, of classic images and of the functional groups of enhanced
ones), and the private elements in which Siemens, GE, Philips and United Imaging state what they leave out there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medad.io.dicom.header import Header, kind_of
from medad.io.dicom.private_elements import Private, text_of

Source = str | Private | tuple[Private, ...]

_SIEMENS, _GE = "SIEMENS MR HEADER", "GEMS_PARM_01"
_PHILIPS, _PHILIPS_MR, _UIH = "PHILIPS IMAGING DD", "PHILIPS MR IMAGING DD", "IMAGE PRIVATE HEADER"
_GE_B_VALUE = Private(0x0043, _GE, 0x39, "IS")

# What an image is of, the strongest first: its name in messages, and where it is stated (the first that is there).
_ACQUISITION: tuple[tuple[str, tuple[Source, ...]], ...] = (
    ("ImageType", ("ImageType", "FrameType")),
    ("ComplexImageComponent", ("ComplexImageComponent",)),
    ("RawDataType (0043,102F)", (Private(0x0043, _GE, 0x2F, "SS"),)),
    ("MRImageType (2005,1011)", (Private(0x2005, _PHILIPS_MR, 0x11, "CS"),)),
    ("EchoTime", ("EchoTime", "EffectiveEchoTime")),
    ("EchoNumbers", ("EchoNumbers",)),
    (
        "DiffusionBValue",
        (
            "DiffusionBValue",
            Private(0x0019, _SIEMENS, 0x0C, "IS"),
            _GE_B_VALUE,
            Private(0x2001, _PHILIPS, 0x03, "FL"),
            Private(0x0065, _UIH, 0x09, "FD"),
        ),
    ),
    (
        "DiffusionGradientOrientation",
        (
            "DiffusionGradientOrientation",
            Private(0x0019, _SIEMENS, 0x0E, "FD"),
            tuple(Private(0x0019, "GEMS_ACQU_01", element, "DS") for element in (0xBB, 0xBC, 0xBD)),
            tuple(Private(0x2005, _PHILIPS_MR, element, "FL") for element in (0xB0, 0xB1, 0xB2)),
            Private(0x0065, _UIH, 0x37, "FD"),
        ),
    ),
    ("TemporalPositionIdentifier", ("TemporalPositionIdentifier", "TemporalPositionIndex")),
    ("CardiacPhase (2001,1008)", (Private(0x2001, _PHILIPS, 0x08, "IS"),)),
    ("NominalPercentageOfCardiacPhase", ("NominalPercentageOfCardiacPhase",)),
    ("NominalPercentageOfRespiratoryPhase", ("NominalPercentageOfRespiratoryPhase",)),
    ("AcquisitionNumber", ("AcquisitionNumber", "FrameAcquisitionNumber")),
    ("InversionTime", ("InversionTime", "InversionTimes")),
    ("FlipAngle", ("FlipAngle",)),
    ("RepetitionTime", ("RepetitionTime",)),
    ("KVP", ("KVP",)),
    ("ConvolutionKernel", ("ConvolutionKernel",)),
    ("ContrastBolusAgent", ("ContrastBolusAgent",)),
    ("SliceThickness", ("SliceThickness",)),
    ("StackID", ("StackID",)),
    ("SequenceName", ("SequenceName",)),
    ("ScanOptions", ("ScanOptions",)),
    ("Units", ("Units",)),
    ("CorrectedImage", ("CorrectedImage",)),
    ("ReceiveCoilName", ("ReceiveCoilName", Private(0x0051, _SIEMENS, 0x0F, "LO"))),
    ("InPlanePhaseEncodingDirection", ("InPlanePhaseEncodingDirection",)),
    ("PatientPosition", ("PatientPosition",)),
    ("SeriesNumber", ("SeriesNumber",)),
    ("SeriesDescription", ("SeriesDescription",)),
)
# When it was taken: the weakest, since every slice may have a time of its own.
_TIMES: tuple[tuple[str, tuple[Source, ...]], ...] = (
    ("FrameReferenceTime", ("FrameReferenceTime",)),
    ("TriggerTime", ("TriggerTime", "NominalCardiacTriggerDelayTime")),
    ("AcquisitionDateTime", ("AcquisitionDateTime", "FrameAcquisitionDateTime")),
    ("AcquisitionTime", ("AcquisitionTime",)),
    ("ContentTime", ("ContentTime",)),
)
ACQUISITION = tuple(name for name, _ in _ACQUISITION)
TIMES = tuple(name for name, _ in _TIMES)
OF_A_DAY = ("AcquisitionDateTime", "AcquisitionTime", "ContentTime")  # they say when a patient was there


def tags_of_marks() -> list[BaseTag]:
    """All elements that the marks of a classic image are made from."""
    wanted: list[BaseTag] = []
    for _, sources in (*_ACQUISITION, *_TIMES):
        for source in sources:
            if isinstance(source, str):
                wanted.append(Tag(source))
            else:
                for one in source if isinstance(source, tuple) else (source,):
                    wanted.extend(one.tags())
    return list(dict.fromkeys(wanted))


def marks_of(header: Header, groups: Sequence[Header] = ()) -> tuple[str, ...]:
    """The values of ``ACQUISITION`` of an image, or of a frame with its functional groups; "" where none is stated."""
    places = [*(inner for group in groups for inner in _nested(group.tags)), header.tags]
    return tuple(_first(sources, places) for _, sources in _ACQUISITION)


def times_of(header: Header, groups: Sequence[Header] = ()) -> tuple[float | None, ...]:
    """The values of ``TIMES`` as numbers: milliseconds for the first two, seconds (of the day) for the others."""
    places = [*(inner for group in groups for inner in _nested(group.tags)), header.tags]
    texts = [_first(sources, places) for _, sources in _TIMES]
    return tuple(_seconds(text, name) for text, name in zip(texts, TIMES, strict=True))


def _first(sources: Sequence[Source], places: Sequence[Dataset]) -> str:
    return next((text for source in sources for place in places if (text := _stated(place, source))), "")


def _stated(tags: Dataset, source: Source) -> str:
    if isinstance(source, str):
        tag = _tag(source)
        return text_of(tags.get_item(tag), kind_of(tag)) if tag in tags.keys() else ""  # noqa: SIM118 - four times faster
    if isinstance(source, Private):
        text = source.of(tags)
        return _ge_b_value(text) if source is _GE_B_VALUE and text else text
    texts = [one.of(tags) for one in source]
    return "\\".join(texts) if any(texts) else ""


def _ge_b_value(text: str) -> str:
    """The b-value of (0043,1039), which may be stated with a billion added to it."""
    first = text.split("\\")[0]
    return str(round(float(first)) % 100_000) if re.fullmatch(r"[-+]?[\d.]+(?:e[-+]?\d+)?", first) else first


def _nested(item: Dataset) -> list[Dataset]:
    """The first items of the sequences in a functional group, and of the sequences in these."""
    inner: list[Dataset] = []
    for element in item:
        if element.VR == "SQ" and element.value:
            inner.append(element.value[0])
            inner.extend(deep.value[0] for deep in element.value[0] if deep.VR == "SQ" and deep.value)
    return inner


def _seconds(text: str, name: str) -> float | None:
    if not re.fullmatch(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?(?:[-+]\d{4})?", text):
        return None
    if name not in OF_A_DAY:
        return float(text)
    digits = re.sub(r"[-+]\d{4}$", "", text)
    whole, _, fraction = digits.partition(".")
    day, clock = (whole[:8], whole[8:]) if name == "AcquisitionDateTime" else ("", whole.rjust(6, "0"))
    parts = [int(clock[at : at + 2] or 0) for at in (0, 2, 4)]
    return int(day or 0) * 86_400 + parts[0] * 3600 + parts[1] * 60 + parts[2] + float(f"0.{fraction or 0}")


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)
