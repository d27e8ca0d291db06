"""A grayscale presentation state: outlines of the colored regions and a line of text over the source images."""

from __future__ import annotations

import numpy as np
from contourpy import LineType, contour_generator
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    TextObject,
)
from highdicom.pr import GrayscaleSoftcopyPresentationState as Gsps
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from medad.outputs.dicom import NOTICE
from medad.outputs.dicom.result import LEVELS, CaseResult, equipment, finish, plain, series, state_laterality
from medad.outputs.dicom.source import Source
from medad.outputs.dicom.uids import Uids
from medad.outputs.pictures import Bytes

NUMBER = 9004
MOST_OUTLINES = 20  # of one slice: the longest ones
LEAST_POINTS = 8  # of an outline: a shorter one surrounds a few pixels
LEVEL = 0.5  # of 0 to 1: the middle of the color scale
_GRAY = ("MONOCHROME1", "MONOCHROME2")


def refusal(source: Source) -> str:
    """Return why there can be no presentation state for this source; "" if there can be one."""
    if str(source.first.get("PhotometricInterpretation")) not in _GRAY:
        return "the source is a color image, and a grayscale presentation state needs a gray one: use sc"
    return ""


def build(result: CaseResult, uids: Uids) -> Dataset:
    """Return the presentation state: outlines where the scaled map reaches 0.5, and the result in words."""
    source = result.source
    layer = GraphicLayer("ANOMALY_MAP", 1, "Anomaly map, research use only")
    words = plain("; ".join([*result.verdict.words(), f"{result.model.name} {result.model.version}", NOTICE]), 1024)
    levels = result.levels
    annotations = [_annotation(result, index, levels[index], words, layer) for index in range(len(levels))]
    dataset = Gsps(
        referenced_images=source.headers,
        content_label="ANOMALY_MAP",
        content_description="Outlines of the anomaly map at 0.5. Research use only",
        graphic_annotations=annotations,
        graphic_layers=[layer],
        concept_name=None,
        **series(uids, NUMBER, "GSPS"),
        **equipment(result),
    )
    state_laterality(dataset, source.first)
    return finish(dataset, result, uids, coded=False)


def _annotation(result: CaseResult, index: int, levels: Bytes, words: str, layer: GraphicLayer) -> GraphicAnnotation:
    """Return the outlines and the text of one slice."""
    source = result.source
    text = TextObject(words, AnnotationUnitsValues.DISPLAY, bounding_box=(0.02, 0.9, 0.98, 0.99))
    graphics = [
        GraphicObject(GraphicTypeValues.POLYLINE, line, AnnotationUnitsValues.PIXEL) for line in outlines(levels)
    ]
    return GraphicAnnotation(
        referenced_images=[source.slice_header(index)],
        graphic_layer=layer,
        referenced_frame_number=source.frames[index] if source.frames else None,
        graphic_objects=graphics,
        text_objects=[text],
    )


def outlines(levels: Bytes) -> list[NDArray[np.float64]]:
    """Return closed outlines, each (points, 2) of column and row, of the regions where a map (H, W) reaches ``LEVEL``.

    Pixel coordinates are those of DICOM: the center of the first pixel is (0.5, 0.5). Regions at the border are closed
    along it.
    """
    padded = np.pad(levels.astype(np.float64), 1)
    # A line type of which lines() returns one array for each line.
    lines: list[NDArray[np.float64]] = contour_generator(z=padded, line_type=LineType.Separate).lines(LEVEL * LEVELS)  # type: ignore[assignment]
    longest = sorted((line for line in lines if len(line) >= LEAST_POINTS), key=len, reverse=True)[:MOST_OUTLINES]
    rows, columns = levels.shape
    return [np.clip(line - 0.5, 0, (columns, rows)) for line in longest]
