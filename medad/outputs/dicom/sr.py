"""A structured report by TID 1500: the score of a case, what it is compared with, and which model gave it."""

from __future__ import annotations

from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from medad.outputs.dicom import NOTICE
from medad.outputs.dicom.result import INTELLIGENCE, MAKER, CaseResult, code, equipment, finish, plain, series
from medad.outputs.dicom.source import Source
from medad.outputs.dicom.uids import Uids

NUMBER = 9002
_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
_FLAG = {
    None: code("NO_RULE", "No rule to flag"),
    True: code("FLAGGED", "Flagged"),
    False: code("NOT_FLAGGED", "Not flagged"),
}


def refusal(source: Source) -> str:
    """Return "": there can be a report on every source."""
    return ""


def build(result: CaseResult, uids: Uids) -> Dataset:
    """Return the report; it is complete, not final and not verified."""
    model = result.model
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=uids("device"),
            name=plain(model.name),
            manufacturer_name=MAKER,
            model_name=plain(model.method),
            serial_number=plain(model.digest),
        ),
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_PROCEDURE,
        imaging_measurements=[_group(result, uids)],
        title=codes.DCM.ImagingMeasurementReport,
    )
    for text in (NOTICE, "An anomaly score is no finding. " + result.rule):
        report[0].ContentSequence.append(
            sr.TextContentItem(codes.DCM.Comment, plain(text, 1024), sr.RelationshipTypeValues.CONTAINS)
        )
    dataset = sr.Comprehensive3DSR(
        evidence=list(result.source.headers),
        content=report[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **series(uids, NUMBER, "SR"),
        **equipment(result),
    )
    return finish(dataset, result, uids, coded=True)


def _group(result: CaseResult, uids: Uids) -> sr.MeasurementsAndQualitativeEvaluations:
    """Return the measurements with the model and the source images."""
    verdict, model = result.verdict, result.model
    parameters = [f"digest={model.digest}", f"score={verdict.name}", f"map={result.scale.name}"]
    if verdict.p is not None:
        parameters += [f"normals={verdict.normals}", f"alpha={verdict.alpha:g}"]
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=uids("tracking"), identifier="medad anomaly score"),
        algorithm_id=sr.AlgorithmIdentification(
            name=plain(model.name),
            version=plain(model.version),
            parameters=[plain(text, 1024) for text in parameters],
            family=INTELLIGENCE,
            manufacturer=MAKER,
        ),
        measurements=_measurements(result),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(code("FLAG", "Result of the rules that flag"), _FLAG[verdict.flagged])
        ],
        source_images=[sr.SourceImageForMeasurementGroup.from_source_image(header) for header in result.source.headers],
    )
    for name, text in (
        (code("POINT_NAME", "Operating point in use"), verdict.point),
        (code("FLAGGED_BY", "Rules that flagged it"), verdict.flagged_by),
    ):
        if text:
            item = sr.TextContentItem(name, plain(text, 1024), sr.RelationshipTypeValues.CONTAINS)
            group[0].ContentSequence.append(item)
    return group


def _measurements(result: CaseResult) -> list[sr.Measurement]:
    """Return score, percentile, p-value and the operating point, as far as there are any."""
    verdict, one = result.verdict, codes.UCUM.NoUnits
    values = [(code("ANOMALY_SCORE", "Anomaly score"), verdict.score, one)]
    if verdict.p is not None and verdict.percentile is not None:
        values.append((code("PERCENTILE", "Percentile among normals"), verdict.percentile, codes.UCUM.Percent))
        values.append((code("P_VALUE", "Conformal p-value among normals"), verdict.p, one))
    if verdict.threshold is not None:
        values.append((code("THRESHOLD", "Threshold of the operating point"), verdict.threshold, one))
    return [sr.Measurement(name=name, value=value, unit=unit) for name, value, unit in values]
