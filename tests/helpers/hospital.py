"""A made-up hospital's folder: thousands of mixed files, some of them hostile, and what must become of each.

``build(folder, 20_000)`` writes about that many files, the same ones for the same seed, and returns the rows that batch
scoring has to leave behind. Sizes are small: the number and the mixture are what is tested.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from helpers.making import gray_image
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder

from medad.data.profile import VERSION

SIDE = 48
SLICES = 6
HOSTILE = 0.05
STORAGE = "1.2.840.10008.5.1.4.1.1"
# What the gate of the model in these tests knows: radiographs from the front, MR, and gray pictures.
PROFILE = {
    "version": VERSION,
    "images": 100,
    "modality": {"radiograph": 0.5, "MR": 0.3},
    "region": {},
    "view": {"frontal": 0.5},
    **{"localizer": 0.0, "capture": 0.0, "colored": 0.0, "volume": 0.3},
    "short_side": [48, 48, 48, 48, 48],
    "elongation": [1, 1, 1, 1, 1],
    **{"levels": None, "levels_spread": None, "layout": None, "layout_match": None},
}


@dataclass(frozen=True)
class Expected:
    """A row: its status must be one of ``statuses``, and its reason match ``reason`` if it is not scored."""

    statuses: tuple[str, ...]
    reason: str = ""
    files: int = 1


@dataclass
class Hospital:
    """``rows`` by the path of their first file below ``root``; ``written`` counts the files."""

    root: Path
    rng: np.random.Generator
    rows: dict[str, Expected] = field(default_factory=dict)
    written: int = 0

    def path(self, name: str) -> Path:
        """A new place for a file called ``name``, some folders deep."""
        ward = ("ward A", "röntgen", "院内", "b.zip.d")[int(self.rng.integers(4))]
        folder = self.root / ward / f"{self.written % 97:02d}" / f"case{self.written:06d}"
        folder.mkdir(parents=True, exist_ok=True)
        self.written += 1
        return folder / name

    def expect(self, path: Path, *statuses: str, reason: str = "", files: int = 1) -> None:
        """Say what must become of a file."""
        self.rows[path.relative_to(self.root).as_posix()] = Expected(statuses, reason, files)

    def picture(self) -> np.ndarray:
        """A picture that no other file has."""
        return gray_image(self.rng, side=SIDE)

    def uid(self) -> str:
        """A UID that depends on the seed alone."""
        return f"1.2.826.0.1.{int(self.rng.integers(10**15, 10**16))}.{int(self.rng.integers(10**15, 10**16))}"


def build(root: Path, count: int, seed: int = 0) -> Hospital:
    """Write about ``count`` files below ``root``."""
    hospital = Hospital(root, np.random.default_rng(seed))
    root.mkdir(parents=True, exist_ok=True)
    _once(hospital)
    while hospital.written < count:
        hostile = hospital.rng.random() < HOSTILE
        kinds = _HOSTILE if hostile else _GOOD
        kinds[int(hospital.rng.integers(len(kinds)))](hospital)
    for make in _HOSTILE if count >= 10 * len(_HOSTILE) else ():  # each at least once
        make(hospital)
    return hospital


def model(folder: Path) -> Path:
    """A small untrained model with ``PROFILE``: weights do not matter here, only that each study gets its score."""
    import torch
    from helpers.making import FAST

    from medad.methods.ddad import DDAD, DDADSettings
    from medad.model import Card, save

    torch.manual_seed(0)
    fast = {**FAST, "size": 16, "scores": ("rec", "intra"), "preset": "cxr"}
    method = DDAD(DDADSettings(**fast)).eval()
    scale = dict.fromkeys(method.scores, 1.0)
    settings = method.settings.model_dump(mode="json")
    save(
        folder, method, Card(method="ddad", settings=settings, seed=0, trained_on={}, map_scale=scale, profile=PROFILE)
    )
    return folder


def dicom(
    hospital: Hospital, path: Path, pixels: np.ndarray, syntax: str = uid.ExplicitVRLittleEndian, **tags: Any
) -> Path:
    """Write a DICOM file: 8-bit ``pixels`` as 12 of 16 bits, encoded as ``syntax`` says."""
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.SOPClassUID, image.SOPInstanceUID = f"{STORAGE}.1", hospital.uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = hospital.uid(), hospital.uid()
    image.Modality, image.PatientID, image.PatientName = "CR", f"SECRET{hospital.written % 50}", "Secret^Person"
    image.ViewPosition, image.Rows, image.Columns = "PA", *pixels.shape[:2]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    words = pixels.astype(">u2" if syntax == uid.ExplicitVRBigEndian else "<u2") * 16
    image.PixelData, is_bytes = _encoded(image, words, pixels, str(syntax))
    image["PixelData"].VR = "OB" if is_bytes else "OW"
    for name, value in tags.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.save_as(path, enforce_file_format=True)
    return path


def _encoded(image: pydicom.Dataset, words: np.ndarray, pixels: np.ndarray, syntax: str) -> tuple[bytes, bool]:
    if syntax == uid.JPEGLSLossless:
        from jpeg_ls import encode_array

        return encapsulate([bytes(encode_array(words))]), True
    if syntax == uid.JPEG2000Lossless:
        from openjpeg.utils import encode_array

        return encapsulate([bytes(encode_array(words, bits_stored=12, photometric_interpretation=2))]), True
    if syntax == uid.JPEGBaseline8Bit:
        image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=90)
        return encapsulate([stream.getvalue()]), True
    if syntax == uid.RLELossless:
        what = {"rows": words.shape[0], "columns": words.shape[1], "number_of_frames": 1, "samples_per_pixel": 1}
        stored = {"bits_allocated": 16, "bits_stored": 12, "pixel_representation": 0}
        encoder = get_encoder(uid.RLELossless)
        return encapsulate([encoder.encode(words, photometric_interpretation="MONOCHROME2", **what, **stored)]), True
    return words.tobytes(), False


_SYNTAXES = (
    *(uid.ExplicitVRLittleEndian,) * 6,
    *(uid.ImplicitVRLittleEndian,) * 3,
    *(uid.DeflatedExplicitVRLittleEndian, uid.ExplicitVRBigEndian),
    *(uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.JPEGBaseline8Bit, uid.RLELossless),
)


def _radiograph(hospital: Hospital) -> None:
    name = ("IM0001", "image.dcm", "Bild 1.DCM", "scan.txt", "写真")[int(hospital.rng.integers(5))]
    syntax = _SYNTAXES[int(hospital.rng.integers(len(_SYNTAXES)))]
    view = ("PA", "AP", "")[int(hospital.rng.integers(3))]
    path = dicom(hospital, hospital.path(name), hospital.picture(), syntax, ViewPosition=view)
    hospital.expect(path, "scored")


def _series(hospital: Hospital) -> None:
    """Slices of one MR series in two folders, in no order."""
    uids = {
        "SeriesInstanceUID": hospital.uid(),
        "StudyInstanceUID": hospital.uid(),
        "FrameOfReferenceUID": hospital.uid(),
    }
    paths = [hospital.path(f"slice{index}") for index in range(2)]
    paths = [paths[index % 2].with_name(f"S{index:03d}") for index in range(SLICES)]
    hospital.written += SLICES - 2
    order = hospital.rng.permutation(SLICES)
    for path, place in zip(paths, order, strict=True):
        where = {"ImagePositionPatient": [0, 0, float(3 * place)], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        kind = {"Modality": "MR", "SOPClassUID": f"{STORAGE}.4", "ViewPosition": None, "PixelSpacing": [1, 1]}
        dicom(hospital, path, hospital.picture(), **uids, **kind, **where, InstanceNumber=int(place))
    hospital.expect(paths[int(np.argmin(order))], "scored", files=SLICES)


def _nifti(hospital: Hospital) -> None:
    path = hospital.path(("volume.nii.gz", "volume.nii")[int(hospital.rng.integers(2))])
    nib.save(nib.Nifti1Image(_volume(hospital), np.diag([-1.0, 1, 2, 1])), path)
    hospital.expect(path, "scored")


def _volume(hospital: Hospital) -> np.ndarray:
    return np.stack([hospital.picture() for _ in range(3)], axis=-1).astype(np.int16)


def _raster(hospital: Hospital) -> None:
    name, form = (("a.png", "PNG"), ("b.jpg", "JPEG"), ("c.dcm", "PNG"), ("d", "TIFF"))[int(hospital.rng.integers(4))]
    path = hospital.path(name)
    pixels = hospital.picture()
    Image.fromarray(pixels.astype(np.uint16) * 250 if name == "a.png" else pixels).save(path, form)
    hospital.expect(path, "scored")


def _lateral(hospital: Hospital) -> None:
    path = dicom(hospital, hospital.path("IM2"), hospital.picture(), ViewPosition="LL")
    hospital.expect(path, "skipped", reason="lateral view; the model knows frontal")


_GOOD = (*(_radiograph,) * 10, _series, *(_nifti,) * 2, *(_raster,) * 3, _lateral)


def _bytes(name: str, content: bytes, status: str, reason: str) -> Callable[[Hospital], None]:
    def make(hospital: Hospital) -> None:
        path = hospital.path(name)
        path.write_bytes(content + (hospital.rng.bytes(16) if content[:2] == b"\x30\x82" else b""))
        hospital.expect(path, status, reason=reason)

    return make


def _broken(reason: str, **tags: Any) -> Callable[[Hospital], None]:
    def make(hospital: Hospital) -> None:
        path = dicom(hospital, hospital.path("IM3.dcm"), hospital.picture(), **tags)
        hospital.expect(path, "failed", reason=reason)

    return make


def _object(storage: str, modality: str, reason: str) -> Callable[[Hospital], None]:
    """A DICOM object that is no image."""

    def make(hospital: Hospital) -> None:
        gone = dict.fromkeys(("Rows", "Columns", "PixelData", "BitsAllocated", "SamplesPerPixel", "ViewPosition"))
        tags = {"SOPClassUID": f"{STORAGE}{storage}", "Modality": modality, **gone}
        path = dicom(hospital, hospital.path("object"), hospital.picture(), **tags)
        hospital.expect(path, "skipped", reason=reason)

    return make


def _truncated(hospital: Hospital) -> None:
    path = dicom(hospital, hospital.path("IM4"), hospital.picture())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - int(hospital.rng.integers(2, SIDE * SIDE))])
    hospital.expect(path, "failed", reason="truncated")


def _flipped(hospital: Hospital) -> None:
    """Damage anywhere after the preamble: pixels may still be read, and then they are scored."""
    syntax = _SYNTAXES[int(hospital.rng.integers(len(_SYNTAXES)))]
    path = dicom(hospital, hospital.path("IM5"), hospital.picture(), syntax)
    content = bytearray(path.read_bytes())
    for _ in range(8):
        content[int(hospital.rng.integers(132, len(content)))] ^= 1 << int(hospital.rng.integers(8))
    path.write_bytes(content)
    hospital.expect(path, "scored", "failed", "skipped", reason=".")


def _nan(hospital: Hospital) -> None:
    path = hospital.path("nan.nii")
    volume = _volume(hospital).astype(np.float32)
    volume[3, 4, 1] = np.nan
    nib.save(nib.Nifti1Image(volume, np.eye(4)), path)
    hospital.expect(path, "failed", reason="non-finite")


def _bomb(hospital: Hospital) -> None:
    """A kilobyte that inflates to 400 MB and claims 4 GB."""
    path = hospital.path("bomb.nii.gz")
    header = nib.Nifti1Header()
    header.set_data_shape((1000, 1000, 1000))
    header.set_data_dtype(np.float32)
    header["magic"], header["vox_offset"] = b"n+1", 352
    path.write_bytes(_zeros(header.binaryblock))
    hospital.expect(path, "failed", reason="too-large")


def _zeros(start: bytes) -> bytes:
    if start not in _BOMBS:
        _BOMBS[start] = gzip.compress(start + b"\0" * (400 << 20), mtime=0)
    return _BOMBS[start]


_BOMBS: dict[bytes, bytes] = {}


def _archive(hospital: Hospital) -> None:
    path = hospital.path("export.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{hospital.written}.dcm", b"inside")
    hospital.expect(path, "skipped", reason="archive")


def _capture(hospital: Hospital) -> None:
    color = np.stack([hospital.picture(), 255 - hospital.picture(), hospital.picture()], axis=-1)
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "ViewPosition": None}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": color.tobytes()}
    path = hospital.path("SC1")
    dicom(hospital, path, color[..., 0], SOPClassUID=f"{STORAGE}.7", Modality="OT", **tags, **bits)
    hospital.expect(path, "skipped", reason="secondary capture")


def _photo(hospital: Hospital) -> None:
    path = hospital.path("IMG_0001.JPG")
    pixels = [hospital.picture(), hospital.picture()[::-1], 255 - hospital.picture()]
    Image.fromarray(np.stack(pixels, axis=-1)).save(path, quality=95)
    hospital.expect(path, "skipped", reason="color picture; the model knows gray")


def _localizer(hospital: Hospital) -> None:
    tags = {"Modality": "MR", "SOPClassUID": f"{STORAGE}.4", "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    path = dicom(hospital, hospital.path("LOC"), hospital.picture(), **tags)
    hospital.expect(path, "skipped", reason="localizer")


def _copy(hospital: Hospital) -> None:
    """The same instance twice, the second later in the order of paths."""
    path = dicom(hospital, hospital.path("first"), hospital.picture())
    again = path.with_name("second.dcm")
    shutil.copyfile(path, again)
    hospital.written += 1
    hospital.expect(path, "scored")
    hospital.expect(again, "skipped", reason="copy|duplicate|same")


def _hidden(hospital: Hospital) -> None:
    path = hospital.path(".DS_Store")
    path.write_bytes(b"\0\0\0\1Bud1")
    hospital.expect(path, "skipped", reason="dot")


_HOSTILE: tuple[Callable[[Hospital], None], ...] = (
    *(_truncated, _flipped, _flipped, _nan, _bomb, _archive, _capture, _photo, _localizer, _copy, _hidden),
    _bytes("empty.dcm", b"", "failed", "empty"),
    _bytes("nothing", b"", "skipped", "empty"),
    _bytes("letter.dcm", b"Dear colleague, the images follow.", "failed", "it is text"),
    _bytes("letter.txt", b"Dear colleague, the images follow.", "skipped", "it is text"),
    _bytes("report.pdf", b"%PDF-1.7 ...", "skipped", "PDF"),
    _bytes("encrypted.dcm", b"\x30\x82\x05\xaa\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03", "failed", "no format"),
    _bytes("page.html", b"<html>viewer</html>", "skipped", "HTML"),
    _broken("too-large", Rows=65535, Columns=65535),
    _broken("too-large", NumberOfFrames=2**31 - 1),
    _broken("corrupt", BitsAllocated=12),
    _broken("corrupt", BitsStored=17),
    _broken("truncated", Rows=200),
    _object(".88.33", "SR", "structured report"),
    _object(".88.59", "KO", "structured report"),
    _object(".11.1", "PR", "presentation state"),
    _object(".104.1", "DOC", "encapsulated document"),
)


def _once(hospital: Hospital) -> None:
    """What no file system has by the thousand: a pipe, links in a circle and to nothing, a name that is no UTF-8."""
    special = hospital.root / "special"
    special.mkdir()
    os.mkfifo(special / "pipe.dcm")
    hospital.expect(special / "pipe.dcm", "skipped", reason="pipe")
    (special / "loop").symlink_to(hospital.root, target_is_directory=True)
    hospital.expect(special / "loop", "skipped", reason="link")
    (special / "gone.dcm").symlink_to("nowhere")
    hospital.expect(special / "gone.dcm", "skipped", reason="link")
    name = os.fsdecode(b"caf\xe9\x01.dcm")
    dicom(hospital, special / name, hospital.picture())
    hospital.rows["special/caf\\xe9\x01.dcm"] = Expected(("scored",))
    hospital.written += 4
