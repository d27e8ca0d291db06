"""Make the DICOM instance of a demo scan.

The person is invented. The identifying tags are filled on purpose, so that tests can search for them in outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from medad.datasets.demo.anatomy import TEMPLATE_CENTER_MM
from medad.datasets.demo.scan import SLICE_THICKNESS_MM, Scan, first_pixel

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


def mr_instance(scan: Scan, number: int, seed: int) -> Dataset:
    """Return the scan as an instance of MR Image Storage, for an invented person."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    instance, meta = Dataset(), FileMetaDataset()
    for keyword, value in {**_identity(number, seed), **_acquisition(scan), **_pixels(scan)}.items():
        setattr(instance, keyword, value)
    instance.SOPClassUID = meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.file_meta = meta
    return instance


def _identity(number: int, seed: int) -> dict[str, Any]:
    """Return the tags of patient, study, series and equipment: an invented person who depends on seed and number."""
    from pydicom.uid import generate_uid

    rng = np.random.default_rng([seed, number])
    year, birth_year = 2024, int(rng.integers(1938, 2001))
    date, birthday = (f"{y}{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}" for y in (year, birth_year))
    time = f"{rng.integers(8, 18):02d}{rng.integers(60):02d}{rng.integers(60):02d}"
    uids = {what: generate_uid(entropy_srcs=["medad demo", what, str(seed), str(number)]) for what in UIDS}
    return {
        **uids,
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": f"DEMO^SUBJECT^{number:04d}",
        "PatientID": f"MEDAD-DEMO-{number:04d}",
        "PatientBirthDate": birthday,
        "PatientSex": "FM"[int(rng.integers(2))],
        "PatientAge": f"{year - birth_year - (date[4:] < birthday[4:]):03d}Y",
        **{f"{what}Date": date for what in ("Study", "Series", "Acquisition", "Content")},
        **{f"{what}Time": time for what in ("Study", "Series", "Acquisition", "Content")},
        "AccessionNumber": f"DEMO{rng.integers(10**8):08d}",
        "StudyID": f"{number}",
        "ReferringPhysicianName": "DEMO^PHYSICIAN",
        "InstitutionName": "medad demo hospital",
        "Manufacturer": "medad demo",
        "ManufacturerModelName": "simulated scanner",
        "StudyDescription": "Brain MR",
        "SeriesDescription": "T1w axial",
        "Modality": "MR",
        "SeriesNumber": 2,
        "InstanceNumber": 1,
    }


def _acquisition(scan: Scan) -> dict[str, Any]:
    """Return the tags of the geometry in LPS, where x and y have the opposite sign of RAS, and of the sequence."""
    rows, columns = scan.stored.shape
    left_edge = _decimal(-TEMPLATE_CENTER_MM[0] + first_pixel(columns, scan.spacing_mm))
    back = _decimal(-TEMPLATE_CENTER_MM[1] + first_pixel(rows, scan.spacing_mm))
    return {
        "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
        "DerivationDescription": "Simulated from the MNI152 T1 average; no patient was scanned",
        "BodyPartExamined": "BRAIN",
        "PatientPosition": "HFS",
        "PositionReferenceIndicator": "",
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [left_edge, back, _decimal(scan.level_mm)],
        "SliceLocation": _decimal(scan.level_mm),
        "SliceThickness": SLICE_THICKNESS_MM,
        "PixelSpacing": [_decimal(scan.spacing_mm)] * 2,
        "ScanningSequence": ["GR", "IR"],
        "SequenceVariant": "MP",
        "ScanOptions": "",
        "MRAcquisitionType": "3D",
        "MagneticFieldStrength": 3,
        "RepetitionTime": 2300,
        "EchoTime": 2.98,
        "InversionTime": 900,
        "EchoTrainLength": 1,
    }


def _pixels(scan: Scan) -> dict[str, Any]:
    rows, columns = scan.stored.shape
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleSlope": scan.slope,
        "RescaleIntercept": scan.intercept,
        "RescaleType": "US",
        "WindowCenter": scan.window[0],
        "WindowWidth": scan.window[1],
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "PixelData": scan.stored.astype("<u2").tobytes(),
    }


def _decimal(value: float) -> float:
    """Return ``value`` rounded to 0.1 micrometer, which fits DICOM's decimal strings of 16 characters."""
    return round(value, 4)
