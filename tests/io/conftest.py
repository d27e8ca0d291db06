"""Files made for the tests of medad.io: every fixture is a function that writes one kind of file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

from medad.io import ReadSettings, read_picture
from medad.io.core.picture import Picture

Maker = Callable[..., Path]


def _dataset(pixels: np.ndarray, bits: int | None, **tags: Any) -> Dataset:
    """A data set that holds ``pixels``: (H, W), (H, W, 3), or (F, H, W) with ``NumberOfFrames`` given."""
    tags = {key: value for key, value in tags.items() if value is not None}
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    image.Modality, image.PatientID, image.PatientName = "CT", "ID-4711", "Doe^Jane"
    image.PatientBirthDate, image.AccessionNumber = "19700101", "ACC-0815"
    image.SamplesPerPixel = 3 if pixels.shape[-1] == 3 and pixels.ndim == 3 and "NumberOfFrames" not in tags else 1
    image.PhotometricInterpretation = "RGB" if image.SamplesPerPixel == 3 else "MONOCHROME2"
    if image.SamplesPerPixel == 3:
        image.PlanarConfiguration = 0
    rows, columns = pixels.shape[:2] if image.SamplesPerPixel == 3 else pixels.shape[-2:]
    image.Rows, image.Columns = rows, columns
    image.BitsAllocated = 8 * pixels.dtype.itemsize
    image.BitsStored = bits or image.BitsAllocated
    image.HighBit = image.BitsStored - 1
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    for key, value in tags.items():
        setattr(image, key, value)
    image.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    return image


@pytest.fixture
def dicom(tmp_path: Path) -> Maker:
    """``dicom(name, pixels, bits=12, RescaleSlope=2, ...)`` writes a DICOM file; None leaves a tag out."""

    def write(name: str, pixels: np.ndarray, *, bits: int | None = None, big: bool = False, **tags: Any) -> Path:
        image = _dataset(pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")), bits, **tags)
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian if big else ExplicitVRLittleEndian
        image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image["PixelData"].VR = "OW" if image.BitsAllocated > 8 else "OB"
        image.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def series(dicom: Maker) -> Callable[..., list[Path]]:
    """``series("a", volume, origin, across, down, step, spacing)`` writes (N, H, W) as slices, in scrambled order."""

    def write(
        folder: str,
        volume: np.ndarray,
        origin: Any = (0, 0, 0),
        across: Any = (1, 0, 0),
        down: Any = (0, 1, 0),
        step: Any = (0, 0, 2.5),
        spacing: Any = (0.5, 0.75),
        places: Any = None,
        **tags: Any,
    ) -> list[Path]:
        files = []
        order = np.random.default_rng(1).permutation(len(volume))
        for name, index in enumerate(order):
            at = index if places is None else places[index]
            position = [float(f"{o + at * s:.9g}") for o, s in zip(origin, step, strict=True)]
            geometry = {
                "ImagePositionPatient": position,
                "ImageOrientationPatient": [float(f"{one:.12g}") for one in (*across, *down)],
                "PixelSpacing": list(spacing),
                "SliceThickness": 1,
                "InstanceNumber": len(volume) - int(index),
            }
            files.append(dicom(f"{folder}/{name:03}.dcm", volume[index], **(geometry | tags)))
        return files

    return write


@pytest.fixture
def volume() -> np.ndarray:
    """(6, 5, 4): six slices of five rows and four columns, every voxel another value."""
    return np.arange(120, dtype=np.int16).reshape(6, 5, 4) * 7


@pytest.fixture
def read() -> Callable[..., Picture]:
    """``read(path, voi="window", ...)``: the picture under these settings."""
    return lambda files, **chosen: read_picture(files, ReadSettings(**chosen))


@pytest.fixture(scope="session")
def bundled() -> Path:
    """The folder of the files that ship inside pydicom."""
    return Path(pydicom.__file__).parent / "data" / "test_files"
