"""The anomaly map as a fractional segmentation on the frames of its source."""

from __future__ import annotations

import logging

import numpy as np
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from highdicom.seg import Segmentation as Seg
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from medad.outputs.dicom import NOTICE
from medad.outputs.dicom.result import LEVELS, CaseResult, algorithm, code, equipment, finish, series
from medad.outputs.dicom.source import Source
from medad.outputs.dicom.uids import Uids

NUMBER = 9001
_CATEGORY = Code("309825002", "SCT", "Spatial and Relational Concept")  # a map states no finding
# highdicom warns of an empty map, which is what most normal cases have.
logging.getLogger("highdicom").setLevel(logging.ERROR)


def refusal(source: Source) -> str:
    """Return why there can be no segmentation of this source; "" if there can be one."""
    if source.frames and "FrameOfReferenceUID" not in source.first:
        return "its frames have no place in the patient, which the frames of a segmentation need: use sc"
    return ""


def build(result: CaseResult, uids: Uids) -> Dataset:
    """Return the segmentation: frames whose map is 0 everywhere are left out, unless all are."""
    segment = SegmentDescription(
        segment_number=1,
        segment_label=f"Anomaly map {result.scale.name}"[:64],
        segmented_property_category=_CATEGORY,
        segmented_property_type=code("ANOMALY_MAP", "Anomaly map"),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm(result),
        tracking_uid=uids("segment"),
        tracking_id="medad anomaly map",
    )
    source = result.source
    dataset = Seg(
        source_images=source.headers,
        pixel_array=source.in_stored_order(result.levels.astype(np.float32) / np.float32(LEVELS)),
        segmentation_type=SegmentationTypeValues.FRACTIONAL,
        segment_descriptions=[segment],
        max_fractional_value=LEVELS,
        content_description="Anomaly map scaled to 0-1 by the model. Research use only",
        content_label="ANOMALY_MAP",
        **series(uids, NUMBER, "SEG"),
        **equipment(result),
    )
    dataset.SegmentSequence[0].SegmentDescription = f"{result.rule} {NOTICE}"
    if "FrameOfReferenceUID" not in source.first and "PatientOrientation" not in dataset:
        dataset.PatientOrientation = source.first.get("PatientOrientation") or ""
    return finish(dataset, result, uids, coded=True)
