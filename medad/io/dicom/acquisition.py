"""The elements that distinguish the images of a series: acquisition, echo, complex component, diffusion, time.

Source: DICOM PS3.3 C.7.6 and C.8 (the standard's elements, of classic images and of the functional groups of enhanced
images), and the private elements in which Siemens, GE, Philips and United Imaging state values that these lack.
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

# Elements of the acquisition, the strongest first: name in messages, and sources (the first that is stated counts).
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
# Elements of time, the weakest, since every slice may have a time of its own.
_TIMES: tuple[tuple[str, tuple[Source, ...]], ...] = (
    ("FrameReferenceTime", ("FrameReferenceTime",)),
    ("TriggerTime", ("TriggerTime", "NominalCardiacTriggerDelayTime")),
    ("AcquisitionDateTime", ("AcquisitionDateTime", "FrameAcquisitionDateTime")),
    ("AcquisitionTime", ("AcquisitionTime",)),
    ("ContentTime", ("ContentTime",)),
)
ACQUISITION = tuple(name for name, _ in _ACQUISITION)
TIMES = tuple(name for name, _ in _TIMES)
OF_A_DAY = ("AcquisitionDateTime", "AcquisitionTime", "ContentTime")  # they tell when the patient was examined


def tags_of_marks() -> list[BaseTag]:
    """Return all tags from which the marks of a classic image are made."""
    tags: list[BaseTag] = []
    for _, sources in (*_ACQUISITION, *_TIMES):
        for source in sources:
            if isinstance(source, str):
                tags.append(Tag(source))
            else:
                for element in source if isinstance(source, tuple) else (source,):
                    tags.extend(element.tags())
    return list(dict.fromkeys(tags))


def marks_of(header: Header, groups: Sequence[Header] = ()) -> tuple[str, ...]:
    """Return the values of ``ACQUISITION`` for an image, or for a frame with its functional groups; "" if not
    stated.
    """
    places = [*(inner for group in groups for inner in _nested_items(group.tags)), header.tags]
    return tuple(_first_stated(sources, places) for _, sources in _ACQUISITION)


def times_of(header: Header, groups: Sequence[Header] = ()) -> tuple[float | None, ...]:
    """Return the values of ``TIMES`` as numbers: ms for the first two, seconds (of the day) for the others."""
    places = [*(inner for group in groups for inner in _nested_items(group.tags)), header.tags]
    texts = [_first_stated(sources, places) for _, sources in _TIMES]
    return tuple(_seconds(text, name) for text, name in zip(texts, TIMES, strict=True))


def _first_stated(sources: Sequence[Source], places: Sequence[Dataset]) -> str:
    """Return the value of the first of ``sources`` that any of ``places`` states, "" if none does."""
    return next((text for source in sources for place in places if (text := _value_at(place, source))), "")


def _value_at(tags: Dataset, source: Source) -> str:
    """Return the value of ``source`` in a data set as text, "" if it is absent."""
    if isinstance(source, str):
        tag = _tag(source)
        return text_of(tags.get_item(tag), kind_of(tag)) if tag in tags.keys() else ""  # noqa: SIM118 - four times faster
    if isinstance(source, Private):
        text = source.of(tags)
        return _ge_b_value(text) if source is _GE_B_VALUE and text else text
    texts = [element.of(tags) for element in source]
    return "\\".join(texts) if any(texts) else ""


def _ge_b_value(text: str) -> str:
    """Return the b-value of (0043,1039), to which GE may have added a billion."""
    first = text.split("\\")[0]
    return str(round(float(first)) % 100_000) if re.fullmatch(r"[-+]?[\d.]+(?:e[-+]?\d+)?", first) else first


def _nested_items(item: Dataset) -> list[Dataset]:
    """Return the first items of the sequences in a functional group, and of the sequences in these items."""
    inner: list[Dataset] = []
    for element in item:
        if element.VR == "SQ" and element.value:
            inner.append(element.value[0])
            inner.extend(deep.value[0] for deep in element.value[0] if deep.VR == "SQ" and deep.value)
    return inner


def _seconds(text: str, name: str) -> float | None:
    """Return a time as a number; None if ``text`` is none."""
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
