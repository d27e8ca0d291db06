"""What tests are made of: small data sets on disk, settings that train in a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

FAST = {"size": 32, "members": 2, "epochs": 2, "batch_size": 4, "refine_epochs": 1, "refine_batch_size": 4}


def gray_image(rng: np.random.Generator, abnormal: bool = False, side: int = 40) -> np.ndarray:
    """A smooth 8-bit picture; an abnormal one has a bright square."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    image = 90 + 50 * np.sin(3 * rows + rng.uniform(0, 1)) * np.cos(2 * columns + rng.uniform(0, 1))
    image = image + rng.normal(0, 4, image.shape)
    if abnormal:
        row, column = rng.integers(5, side - 15, 2)
        image[row : row + 10, column : column + 10] += 70
    return image.clip(0, 255).astype(np.uint8)


def write_med_ad(root: Path, folder: str = "BrainTumor", counts: tuple[int, ...] = (9, 5, 7, 6, 4)) -> Path:
    """A dataset in the Med-AD layout, with sizes unlike the official ones; its folder."""
    rng = np.random.default_rng(7)
    lists: list[list[str]] = []
    (root / folder / "images").mkdir(parents=True)
    for place, (count, label) in enumerate(zip(counts, (0, 0, 1, 0, 1), strict=True)):
        names = [f"{place}{index:03d}.png" for index in range(count)]
        for name in names:
            Image.fromarray(gray_image(rng, bool(label))).save(root / folder / "images" / name)
        lists.append(names)
    content = {
        "train": {"0": lists[0], "unlabeled": {"0": lists[1], "1": lists[2]}},
        "test": {"0": lists[3], "1": lists[4]},
    }
    (root / folder / "data.json").write_text(json.dumps(content), encoding="utf-8")
    return root / folder


def write_dicom(path: Path, image: np.ndarray, **tags: object) -> Path:
    """An MR image of one instance with geometry, as displayed: rows x columns; ``tags`` are set last."""
    import pydicom
    from pydicom.uid import (
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        ExplicitVRLittleEndian,
        MRImageStorage,
        generate_uid,
    )

    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    flat = {"CR": ComputedRadiographyImageStorage, "DX": DigitalXRayImageStorageForPresentation}
    data.SOPClassUID = flat.get(str(tags.get("Modality")), MRImageStorage)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.PatientName, data.PatientID, data.Modality = "Secret^Person", "SECRET-4711", "MR"
    data.Rows, data.Columns = image.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 12, 11
    data.PixelSpacing, data.SliceThickness = [1.0, 1.0], 1.0
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.PixelData = (image.astype(np.uint16) * 16).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path
