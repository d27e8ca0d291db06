"""Encode a demo subject as a DICOM MR instance or a NIfTI volume, and the lesion's mask.

The person is invented. The identifying tags are filled on purpose, so that tests can search for them in outputs. Every
file is a pure function of its arguments: the same call gives the same bytes.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medad.datasets.demo.anatomy import TEMPLATE_CENTER_MM, Subject

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

LARGEST = 4095  # stored values use 12 of 16 bits
SLICE_THICKNESS_MM = 1.0
GAIN = (350.0, 950.0)  # rescaled value of white matter, arbitrary units as on any MR scanner
SLOPE = (0.36, 0.64)  # rescaled units for each stored step
OFFSET = (8, 64)  # stored value of zero signal
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")


@dataclass(frozen=True)
class Scan:
    """A subject as stored: ``stored`` (H, W) uint16 in 0..4095; value = stored * slope + intercept."""

    stored: NDArray[np.uint16]
    mask: NDArray[np.bool_]
    spacing_mm: float
    level_mm: float
    slope: float
    intercept: float
    window: tuple[float, float]


def digitize(subject: Subject, rng: np.random.Generator) -> Scan:
    """Apply the receiver gain, round to 12 bits, and set the window of a scanner (1st to 99.5th percentile)."""
    slope = round(float(rng.uniform(*SLOPE)), 4)
    intercept = round(-slope * int(rng.integers(*OFFSET)), 4)
    values = subject.image * float(rng.uniform(*GAIN))
    stored = np.clip(np.rint((values - intercept) / slope), 0, LARGEST).astype(np.uint16)
    low, high = np.percentile(stored * slope + intercept, (1.0, 99.5))
    window = (float(round((low + high) / 2)), float(round(high - low)))
    return Scan(stored, subject.mask, subject.spacing_mm, subject.level_mm, slope, intercept, window)


def dicom_bytes(scan: Scan, number: int, seed: int) -> bytes:
    """Encode as MR Image Storage, explicit VR little endian: anterior at the top, the patient's right on the left."""
    buffer = io.BytesIO()
    _instance(scan, number, seed).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def nifti_bytes(scan: Scan) -> bytes:
    """Encode the image as .nii.gz: int16 with slope and intercept, (X, Y, 1), RAS, millimeters."""
    return _nifti(_ras(scan.stored.astype(np.int16)), scan, (scan.slope, scan.intercept))


def nifti_mask_bytes(scan: Scan) -> bytes:
    """Encode the mask as .nii.gz: uint8 0 or 1 on the grid of the image."""
    return _nifti(_ras(scan.mask.astype(np.uint8)), scan, (1.0, 0.0))


def png_mask_bytes(scan: Scan) -> bytes:
    """Encode the mask as PNG, 8-bit 0 or 255, on the grid of the DICOM pixels."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(scan.mask.astype(np.uint8) * 255).save(buffer, format="PNG")
    return buffer.getvalue()


def _ras(image: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn (H, W), rows A->P and columns R->L, into (W, H, 1) in RAS: x toward the right, y toward the front."""
    return np.ascontiguousarray(image[::-1, ::-1].T[..., None])


def _corner(length: int, spacing: float) -> float:
    return -(length - 1) / 2 * spacing


def _nifti(data: NDArray[np.generic], scan: Scan, scaling: tuple[float, float]) -> bytes:
    import nibabel

    affine = np.diag([scan.spacing_mm, scan.spacing_mm, SLICE_THICKNESS_MM, 1.0])
    affine[0, 3] = TEMPLATE_CENTER_MM[0] + _corner(data.shape[0], scan.spacing_mm)
    affine[1, 3] = TEMPLATE_CENTER_MM[1] + _corner(data.shape[1], scan.spacing_mm)
    affine[2, 3] = scan.level_mm
    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(*scaling)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def _instance(scan: Scan, number: int, seed: int) -> Dataset:
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
    left_edge = _decimal(-TEMPLATE_CENTER_MM[0] + _corner(columns, scan.spacing_mm))
    back = _decimal(-TEMPLATE_CENTER_MM[1] + _corner(rows, scan.spacing_mm))
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
