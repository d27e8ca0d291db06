"""Miniature downloads of the public data sets, in their true layouts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from helpers.making import gray_image
from PIL import Image

NORMALS, ABNORMALS = 24, 16  # enough for two test cases of each class in every drawn split


def color_image(rng: np.random.Generator, abnormal: bool, side: int = 40) -> np.ndarray:
    """(side, side, 3), 8-bit."""
    return np.stack([gray_image(rng, abnormal, side)] * 3, axis=-1)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def square(side: int = 40) -> np.ndarray:
    """A mask: 0 and 255."""
    mask = np.zeros((side, side), np.uint8)
    mask[10:20, 12:22] = 255
    return mask


def table(path: Path, rows: Iterable[Iterable[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


def radiograph(
    path: Path, image: np.ndarray, syntax: str, bits: int = 8, inverted: bool = False, **tags: object
) -> Path:
    """A digital radiograph of ``image`` (rows, columns; 0 to 255), stored with ``bits`` in a transfer syntax."""
    import pydicom
    from openjpeg.utils import encode_array
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, generate_uid

    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"  # computed radiography
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    data.StudyInstanceUID = data.SeriesInstanceUID = generate_uid(entropy_srcs=[path.name])
    data.Modality, data.ViewPosition, data.BodyPartExamined = "CR", "PA", "CHEST"
    data.Rows, data.Columns = image.shape
    data.SamplesPerPixel, data.PixelRepresentation = 1, 0
    data.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 if bits == 8 else 16, bits, bits - 1
    stored = np.round(image / 255 * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    stored = (2**bits - 1) - stored if inverted else stored
    data.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    if syntax == JPEGBaseline8Bit:
        stream = io.BytesIO()
        Image.fromarray(stored).save(stream, "JPEG", quality=95)
        data.PixelData = encapsulate([stream.getvalue()])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    elif syntax == JPEG2000Lossless:
        data.PixelData = encapsulate([encode_array(stored, photometric_interpretation=2, bits_stored=bits)])
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
    elif pydicom.uid.UID(syntax).is_compressed:
        data.compress(syntax, generate_instance_uid=False)
    else:
        data.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def rsna(raw: Path) -> Path:
    """Stage 2: JPEG in DICOM with a patient's number; a row for each box; both tables repeat a patient's rows."""
    from pydicom.uid import JPEGBaseline8Bit

    rng = np.random.default_rng(4)
    classes, labels = [["patientId", "class"]], [["patientId", "x", "y", "width", "height", "Target"]]
    for index in range(NORMALS + ABNORMALS):
        kind = ("Normal", "Lung Opacity", "No Lung Opacity / Not Normal")[0 if index < NORMALS else 1 + index % 2]
        patient = f"{rng.integers(2**32):08x}-1be4-4396-b2f6-{index:012x}"
        boxes = (
            [["5.0", "8.0", "10.0", "20.0"], ["30.0", "6.0", "12.0", "24.0"]] if kind == "Lung Opacity" else [[""] * 4]
        )
        for box in boxes:
            classes.append([patient, kind])
            labels.append([patient, *box, str(int(len(boxes) > 1))])
        path = raw / "stage_2_train_images" / f"{patient}.dcm"
        image = gray_image(rng, kind != "Normal", 48)
        tags = {"PatientID": patient, "PatientName": patient, "PatientSex": "F", "PatientAge": "051Y"}
        radiograph(path, image, JPEGBaseline8Bit, **tags)
    table(raw / "stage_2_detailed_class_info.csv", classes)
    table(raw / "stage_2_train_labels.csv", labels)
    (raw / "stage_2_sample_submission.csv").write_text("patientId,PredictionString\n")
    return raw


def vindr(raw: Path) -> Path:
    """The VinBigData challenge: several transfer syntaxes, some MONOCHROME1, no patients; three readers."""
    from pydicom import uid

    rng = np.random.default_rng(5)
    kinds = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.JPEG2000Lossless, uid.JPEGLSLossless)
    rows = [["image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max"]]
    for index in range(NORMALS + ABNORMALS):
        name, abnormal = f"{rng.integers(2**62):032x}", index >= NORMALS
        for place, reader in enumerate(("R10", "R8", "R9")):
            # Readers disagree: of every fourth abnormal image, the last one finds nothing.
            if not abnormal or (place == 2 and index % 4 == 0):
                rows.append([name, "No finding", "14", reader, "", "", "", ""])
            else:
                rows.append([name, "Cardiomegaly", "3", reader, "6", "20", str(30 + place), "40"])
                rows.append([name, "Aortic enlargement", "0", reader, "22.0", "8.0", "30.0", "16.0"])
        image = gray_image(rng, abnormal, 48)
        syntax, bits = kinds[index % len(kinds)], (12, 14, 16)[index % 3]
        radiograph(raw / "train" / f"{name}.dicom", image, syntax, bits, index % 5 == 0, PatientSex="O")
    order = rng.permutation(len(rows) - 1) + 1  # the rows of an image do not lie together
    table(raw / "train.csv", [rows[0], *(rows[place] for place in order)])
    return raw


def braintumor(raw: Path) -> Path:
    """Both parts of the Kaggle data set, with the class that is left out."""
    rng = np.random.default_rng(6)
    for part, mark in (("Training", "Tr"), ("Testing", "Te")):
        for name, short in (("notumor", "no"), ("glioma", "gl"), ("meningioma", "me"), ("pituitary", "pi")):
            for index in range(NORMALS // 2 if name == "notumor" else ABNORMALS // 4):
                image = gray_image(rng, name != "notumor")
                image = color_image(rng, True) if name == "glioma" else image  # some files are RGB
                save(raw / part / name / f"{mark}-{short}_{index:04d}.jpg", image)
    return raw


def lag(raw: Path) -> Path:
    """The two label folders, with the attention maps beside the images."""
    rng = np.random.default_rng(8)
    for name, count, start in (("non_glaucoma", NORMALS, 0), ("suspicious_glaucoma", ABNORMALS, 500)):
        for index in range(count):
            image = color_image(rng, start > 0)
            save(raw / name / "image" / f"{start + index:04d}.jpg", image)
            save(raw / name / "attention_map" / f"{start + index:04d}.jpg", image[..., 0] // 2)
        (raw / name / "label").mkdir()
    return raw


def isic2018(raw: Path) -> Path:
    """Task 3: training nevi and a melanoma that is not used, the test part, a validation part that is not used."""
    rng = np.random.default_rng(9)
    kinds = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
    number = 24306
    for part, wanted in (
        ("Training", ["NV"] * 12 + ["MEL"]),
        ("Validation", ["NV"]),
        ("Test", ["NV"] * 5 + ["MEL", "BCC", "AKIEC", "VASC"]),
    ):
        rows = [["image", *kinds]]
        for kind in wanted:
            name = f"ISIC_{number:07d}"
            number += 1
            save(raw / f"ISIC2018_Task3_{part}_Input" / f"{name}.jpg", color_image(rng, kind != "NV"))
            rows.append([name, *("1.0" if one == kind else "0.0" for one in kinds)])
        folder = f"ISIC2018_Task3_{part}_GroundTruth"
        table(raw / folder / f"{folder}.csv", rows)
    groups = [[f"ISIC_{24306 + index:07d}", f"HAM_{index // 2:07d}", "histopathology"] for index in range(13)]
    table(
        raw / "ISIC2018_Task3_Training_LesionGroupings.csv", [["image", "lesion_id", "diagnosis_confirm_type"], *groups]
    )
    return raw


def mvtec(root: Path, classes: tuple[str, ...] = ("bottle", "grid"), train: int = 8) -> Path:
    """MVTec AD: two classes, "grid" in gray; two kinds of defects."""
    rng = np.random.default_rng(1)
    home = root / "MVTecAD"
    for name in classes:
        make = gray_image if name == "grid" else color_image
        for index in range(train):
            save(home / name / "train" / "good" / f"{index:03d}.png", make(rng, False))
        for index in range(3):
            save(home / name / "test" / "good" / f"{index:03d}.png", make(rng, False))
            for defect in ("broken", "glue"):
                save(home / name / "test" / defect / f"{index:03d}.png", make(rng, True))
                save(home / name / "ground_truth" / defect / f"{index:03d}_mask.png", square())
        (home / name / "readme.txt").write_text("Attribution\n")
    return home


def mvtec3d(root: Path) -> Path:
    """MVTec 3D-AD: one class, with the 3-D scans beside the photographs."""
    rng = np.random.default_rng(2)
    home = root / "MVTec3D" / "bagel"
    for part, defects in (("train", ("good",)), ("validation", ("good",)), ("test", ("good", "crack", "hole"))):
        for defect in defects:
            for index in range(6 if part == "train" else 3):
                name = f"{index:03d}"
                save(home / part / defect / "rgb" / f"{name}.png", color_image(rng, defect != "good"))
                save(home / part / defect / "gt" / f"{name}.png", square() if defect != "good" else square() * 0)
                save(home / part / defect / "xyz" / f"{name}.tiff", np.zeros((40, 40), np.float32))
    return home.parent


def visa(root: Path) -> Path:
    """VisA: one class that the table names and that is there, and one that is not."""
    rng = np.random.default_rng(3)
    home = root / "VisA"
    rows = [["object", "split", "label", "image", "mask"]]
    for name in ("candle", "pcb1"):
        for index in range(9):
            image = f"{name}/Data/Images/Normal/{index:04d}.JPG"
            rows.append([name, "train" if index < 6 else "test", "normal", image, ""])
        for index in range(3):
            image, mask = (f"{name}/Data/{kind}/Anomaly/{index:03d}" for kind in ("Images", "Masks"))
            rows.append([name, "test", "anomaly", f"{image}.JPG", f"{mask}.png"])
    for name, _, label, image, mask in rows[1:]:
        if name == "candle":
            save(home / image, color_image(rng, label == "anomaly"))
            if mask:
                save(
                    home / mask, (square() > 0).astype(np.uint8)
                )  # VisA's masks number the kinds of defects: 1, 2, ...
    table(home / "split_csv" / "1cls.csv", rows)
    return home


# By name of the dataset, for tests that look at more than its example has.
MINIATURES: dict[str, Callable[[Path], Path]] = {
    function.__name__: function for function in (rsna, vindr, braintumor, lag, isic2018, mvtec, mvtec3d, visa)
}
