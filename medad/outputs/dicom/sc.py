"""A secondary capture: the slice with the highest score under its map, with all that explains it burned in."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import Any

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from medad.outputs.dicom import NOTICE
from medad.outputs.dicom.result import CaseResult, equipment, finish, orientation_of, series, state_laterality
from medad.outputs.dicom.source import Source
from medad.outputs.dicom.uids import Uids
from medad.outputs.pictures import Bytes, Gray, overlay, with_bar

NUMBER = 9003
SIDE = 512  # pixels; a smaller picture is enlarged, so that its text can be read
_LOSSY = ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")


def refusal(source: Source) -> str:
    """Return "": there can be a capture of every source."""
    return ""


def build(result: CaseResult, uids: Uids) -> Dataset:
    """Return the secondary capture; its text names the model and the result, and no patient."""
    source = result.source.slice_header(result.worst)
    spacing = _spacing(source)
    factor = max(1, SIDE // max(result.gray.shape))
    pixel = None if spacing is None else (spacing[0] / factor, spacing[1] / factor)
    directions = orientation_of(source)
    described = equipment(result)
    dataset = SCImage.from_ref_dataset(
        ref_dataset=result.source.first,
        pixel_array=picture(result, factor, None if pixel is None else pixel[1]),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),  # replaced below: it may be unknown
        pixel_spacing=pixel,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **series(uids, NUMBER, "SC"),
        **described,
    )
    dataset.PatientOrientation = directions
    dataset.BurnedInAnnotation = "NO"  # of identity: the text names the model and the result only
    dataset.DerivationDescription = f"{result.rule} {NOTICE}"
    for keyword in _LOSSY:
        if source.get(keyword):
            setattr(dataset, keyword, source.get(keyword))
    state_laterality(dataset, result.source.first)
    return finish(dataset, result, uids, coded=False)


def picture(result: CaseResult, factor: int, millimeters: float | None) -> Bytes:
    """Return the picture (h, w, 3): the slice under its map, enlarged, above the color bar, a ruler and the text.

    ``millimeters`` is the width of one pixel of the picture, None if it is not known.
    """
    gray = _enlarged(_to_bytes(result.gray), factor)
    colored = overlay(gray, _enlarged(result.heat[result.worst], factor), result.scale)
    count = len(result.heat)
    where = f"Slice {result.worst + 1} of {count}, the one with the highest score." if count > 1 else ""
    model = result.model
    lines = [
        NOTICE.upper(),
        f"{model.name} {model.version}, model {model.digest}",
        ". ".join((*result.verdict.words(), where)).rstrip(". ") + ".",
    ]
    return _with_text(with_bar(colored, result.scale), lines, millimeters)


def _to_bytes(gray: Gray) -> Bytes:
    """Rescale the lowest and the highest value to 0 and 255."""
    low, high = float(gray.min()), float(gray.max())
    return np.asarray(((gray - low) * (255 / ((high - low) or 1.0))).round(), np.uint8)


def _enlarged(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Repeat each pixel ``factor`` times in both directions."""
    return image.repeat(factor, 0).repeat(factor, 1)


def _with_text(image: Bytes, lines: list[str], millimeters: float | None) -> Bytes:
    """Append a ruler and lines of text below a picture (h, w, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    width = image.shape[1]
    size = max(11, width // 40)
    font = ImageFont.load_default(size=size)
    per_line = max(20, int(width / (0.58 * size)))
    wrapped = [part for line in lines for part in wrap(line, per_line)]
    rows = len(wrapped) + (millimeters is not None)
    strip = Image.new("RGB", (width, round(1.35 * size * rows) + size // 2))
    draw, top = ImageDraw.Draw(strip), size // 4
    if millimeters is not None:
        length = _round_length(0.3 * width * millimeters)
        pixels, middle = round(length / millimeters), top + size // 2
        draw.line([(size // 2, middle), (size // 2 + pixels, middle)], "white", max(1, size // 8))
        for end in (size // 2, size // 2 + pixels):
            draw.line([(end, middle - size // 3), (end, middle + size // 3)], "white", max(1, size // 8))
        draw.text((size + pixels, middle), f"{length:g} mm", "white", font, anchor="lm")
        top += round(1.35 * size)
    for line in wrapped:
        draw.text((size // 2, top), line, "white", font)
        top += round(1.35 * size)
    return np.concatenate([image, np.asarray(strip)])


def _round_length(most: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is at most ``most``.

    >>> _round_length(76.8)
    50.0
    """
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most)


def _spacing(source: Dataset) -> tuple[float, float] | None:
    """Return the mm between rows and between columns, if the source states them in the plane of the patient."""
    places = [source]
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for groups in source.get(name) or ():
            places += list(groups.get("PixelMeasuresSequence") or ())
    for place in places:
        stated = place.get("PixelSpacing")
        if stated is not None and len(stated) == 2 and min(stated) > 0:
            return float(stated[0]), float(stated[1])
    return None
