"""The anomaly map as a parametric map: its values as they are, float32."""

from __future__ import annotations

from highdicom import VOILUTFunctionValues, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from medad.outputs.dicom import NOTICE
from medad.outputs.dicom.result import CaseResult, code, equipment, finish, plain, series, state_laterality
from medad.outputs.dicom.source import Source
from medad.outputs.dicom.uids import Uids

NUMBER = 9005


def refusal(source: Source) -> str:
    """Return why there can be no parametric map of this source; "" if there can be one."""
    if "FrameOfReferenceUID" not in source.first:
        return "the source states no frame of reference, and a parametric map needs one: use seg or sc"
    return ""


def build(result: CaseResult, uids: Uids) -> Dataset:
    """Return the parametric map."""
    source = result.source
    heat = source.in_stored_order(result.heat)
    mapping = RealWorldValueMapping(
        lut_label="ANOMALY_MAP",
        lut_explanation=plain(f"Anomaly map {result.scale.name} as it is, no units"),
        unit=codes.UCUM.NoUnits,
        value_range=(float(heat.min()), float(heat.max())),
        slope=1.0,
        intercept=0.0,
        quantity_definition=code("ANOMALY_MAP", "Anomaly map"),
    )
    low, high = result.scale.low, result.scale.high
    window = VOILUTTransformation((low + high) / 2, high - low, voi_lut_function=VOILUTFunctionValues.LINEAR_EXACT)
    dataset = ParametricMap(
        source_images=source.headers,
        pixel_array=heat,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[window],
        content_description="Anomaly map, values of the model. Research use only",
        content_label="ANOMALY_MAP",
        **series(uids, NUMBER, "map"),
        **equipment(result),
    )
    dataset.DerivationDescription = f"Values are those of the model. The window shows this rule: {result.rule} {NOTICE}"
    state_laterality(dataset, source.first)
    return finish(dataset, result, uids, coded=True)
