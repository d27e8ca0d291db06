"""DICOM sources of every kind that results are written for, and the validators that judge these results."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

SIDE = (40, 32)  # rows, columns: unlike, so that a mixed-up axis shows
ROOT = "1.2.826.0.1.3680043.9.7777"
IDENTITY = {
    "PatientName": "Winterbottom^Ermintrude",
    "PatientID": "HOSP4711",
    "PatientBirthDate": "19530417",
    "AccessionNumber": "ACC998877",
}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


def instance(number: int, image: np.ndarray, modality: str = "MR", **tags: object) -> Dataset:
    """An instance of one frame: ``image`` (rows, columns) or (rows, columns, 3), 8 bits; ``tags`` are set last."""
    classes = {
        "MR": uid.MRImageStorage,
        "CT": uid.CTImageStorage,
        "CR": uid.ComputedRadiographyImageStorage,
        "DX": uid.DigitalXRayImageStorageForPresentation,
        "US": uid.UltrasoundImageStorage,
    }
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = classes[modality]
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.3.{number}"
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.2"
    data.update(IDENTITY)
    for name, value in IDENTITY.items():
        setattr(data, name, value)
    data.PatientSex, data.StudyID, data.ReferringPhysicianName = "F", "S1", ""
    data.StudyDate, data.StudyTime, data.Modality, data.SeriesNumber = "20261101", "101500", modality, 3
    data.InstanceNumber, data.ImageType = number, ["ORIGINAL", "PRIMARY", "OTHER"]
    color = image.ndim == 3
    data.Rows, data.Columns = image.shape[:2]
    data.SamplesPerPixel, data.PixelRepresentation = 3 if color else 1, 0
    data.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        data.PlanarConfiguration = 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
        data.PixelData = image.astype(np.uint8).tobytes()
    else:
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
        data.PixelData = (image.astype(np.uint16) * 16).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def series(images: np.ndarray, cosines: tuple[float, ...] = AXIAL, gap: float = 3.0, **tags: object) -> list[Dataset]:
    """Slices (N, rows, columns) along their normal from (10, -20, 30), with pixels of 0.5 x 0.8 mm."""
    normal = np.cross(cosines[:3], cosines[3:])
    return [
        instance(
            index + 1,
            image,
            FrameOfReferenceUID=f"{ROOT}.4",
            PositionReferenceIndicator="",
            PixelSpacing=[0.5, 0.8],
            SliceThickness=gap,
            ImageOrientationPatient=list(cosines),
            ImagePositionPatient=[round(float(part), 6) for part in np.array([10.0, -20, 30]) + index * gap * normal],
            **{"BodyPartExamined": "BRAIN", **tags},
        )
        for index, image in enumerate(images)
    ]


def enhanced(slices: list[Dataset]) -> Dataset:
    """The slices as one instance of several frames, the last slice first."""
    from highdicom.legacy import LegacyConvertedEnhancedMRImage

    return LegacyConvertedEnhancedMRImage(slices[::-1], f"{ROOT}.5", 4, f"{ROOT}.6", 1)


def write(folder: Path, *datasets: Dataset) -> list[Path]:
    """Write each data set; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03d}.dcm" for index in range(len(datasets))]
    for path, dataset in zip(paths, datasets, strict=True):
        dataset.save_as(path, enforce_file_format=True)
    return paths


def need(tool: str) -> None:
    """Skip the test where ``tool`` is missing."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed (apt install dicom3tools dcmtk)")


def errors(path: Path) -> list[str]:
    """What dciodvfy calls an error in a file, and whether it took the file for an object of the standard at all."""
    need("dciodvfy")
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stderr + done.stdout).splitlines()
    return [line for line in lines if line.startswith("Error") or "not found" in line]


def plain_values(dataset: Dataset) -> dict[str, str]:
    """All values but dates and times, by tag: what two runs must agree in."""
    timed = {"DA", "TM", "DT"}
    return {str(one.tag): str(one.value) for one in dataset if one.VR not in timed and one.VR != "SQ"}


def read(path: Path) -> Dataset:
    """The data set in a file."""
    return pydicom.dcmread(path)
