"""What a DICOM file is: its SOP class decides, and volumes in tiles are told under any name."""

from __future__ import annotations

import struct

import numpy as np
import pydicom
import pytest
from pydicom import uid

from medad.io import UnreadableImage, discover
from medad.types import Skipped, Study

PIXELS = np.arange(16, dtype=np.int16).reshape(4, 4)
ROOT = "1.2.840.10008.5.1.4.1.1"


def placed(dicom, folder, count=3, **tags):
    """Images of one series at one place or, with ``step``, one above the other."""
    step = tags.pop("step", 2)
    for index in range(count):
        geometry = {
            "ImagePositionPatient": [0, 0, step * index],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [1, 1],
        }
        dicom(f"{folder}/{index}.dcm", PIXELS + index, **(geometry | tags))


def sizes(folder):
    found = list(discover(folder))
    assert all(isinstance(one, Study) for one in found), found
    return [len(study.files) for study in found]


@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize(
    "tail",
    [".7", ".7.3", ".1", ".1.1", ".1.2", ".1.3.1", ".6.1", ".12.1", ".12.2", ".20", ".77.1.4", ".77.1.5.1"],
)
def test_images_of_a_flat_class_are_images_of_their_own_whatever_the_modality(dicom, tmp_path, tail, step):
    placed(dicom, "a", SOPClassUID=ROOT + tail, Modality="CT", step=step)
    assert sizes(tmp_path) == [1, 1, 1]


@pytest.mark.parametrize("tail", [".2", ".2.2", ".4", ".128", ".4.4"])
@pytest.mark.parametrize("modality", ["OT", "DX", "SC", "CT"])
def test_images_of_a_volume_class_make_a_volume_whatever_the_modality(dicom, tmp_path, tail, modality):
    placed(dicom, "a", SOPClassUID=ROOT + tail, Modality=modality)
    assert sizes(tmp_path) == [3]


@pytest.mark.parametrize("sop", ["1.3.46.670589.11.0.0.12.1", "1.2.840.10008.5.1.4.1.1.999.1", ""])
@pytest.mark.parametrize(("modality", "expected"), [("MR", [3]), ("DX", [1, 1, 1]), ("US", [1, 1, 1])])
def test_modality_decides_where_the_class_is_private_unknown_or_missing(dicom, tmp_path, sop, modality, expected):
    placed(dicom, "a", SOPClassUID=uid.UID(sop or uid.CTImageStorage), Modality=modality)
    for path in (tmp_path / "a").iterdir():
        if not sop:
            image = pydicom.dcmread(path)
            del image.SOPClassUID
            image.file_meta.MediaStorageSOPClassUID = "1.2.3"
            image.save_as(path)
    assert sizes(tmp_path) == expected


def test_the_class_of_the_file_meta_information_counts_where_the_data_set_has_none(dicom, tmp_path):
    placed(dicom, "a", SOPClassUID=uid.SecondaryCaptureImageStorage, Modality="CT")
    for path in (tmp_path / "a").iterdir():
        image = pydicom.dcmread(path)
        del image.SOPClassUID
        image.save_as(path)
    assert sizes(tmp_path) == [1, 1, 1]


def test_spectroscopy_is_no_image(dicom, tmp_path):
    dicom("a.dcm", PIXELS, SOPClassUID=ROOT + ".4.2", Modality="MR")
    (found,) = discover(tmp_path)
    assert isinstance(found, Skipped)
    assert found.kind == "spectroscopy"


def csa(count: int) -> bytes:
    """A CSA header with the number of tiles; 0: an entry without items."""
    name = b"NumberOfImagesInMosaic".ljust(64, b"\0")
    entry = name + struct.pack("<i4s3i", 1, b"US", 9, 6 * bool(count), 77)
    item = struct.pack("<4i", 12, 12, 77, 12) + f"{count:<12}".encode() if count else b""
    return b"SV10\4\3\2\1" + struct.pack("<2i", 1, 77) + entry + item + b"\0" * 100


SIGNS = {
    "mosaic": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]},
    "vframe": {"ImageType": ["ORIGINAL", "PRIMARY", "M", "VFRAME"]},
    "in one word": {"ImageType": ["DERIVED", "PRIMARY", "M_ND_MOSAIC"]},
    "united imaging's count": [(0x0065, 0x10, "LO", "Image Private Header"), (0x0065, 0x1050, "DS", "20")],
    "siemens' count": [(0x0019, 0x10, "LO", "SIEMENS MR HEADER"), (0x0019, 0x100A, "US", 30)],
    "siemens' type": [(0x0051, 0x10, "LO", "SIEMENS MR HEADER"), (0x0051, 0x1016, "LO", "p2 M/ND/MOSAIC")],
    "siemens' csa header": [(0x0029, 0x10, "LO", "SIEMENS CSA HEADER"), (0x0029, 0x1010, "OB", csa(36))],
}
NO_SIGNS = {
    "one slice": [(0x0019, 0x10, "LO", "SIEMENS MR HEADER"), (0x0019, 0x100A, "US", 1)],
    "csa header without": [(0x0029, 0x10, "LO", "SIEMENS CSA HEADER"), (0x0029, 0x1010, "OB", csa(0))],
    "another vendor's element": [(0x0019, 0x10, "LO", "GEMS_ACQU_01"), (0x0019, 0x100A, "US", 30)],
}


def signed(dicom, sign):
    tags = sign if isinstance(sign, dict) else {}
    path = dicom("a.dcm", PIXELS, SOPClassUID=uid.MRImageStorage, Modality="MR", **tags)
    image = pydicom.dcmread(path)
    for group, element, kind, value in sign if isinstance(sign, list) else ():
        image.add_new((group, element), kind, value)
    image.save_as(path)
    return path


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
def test_a_volume_in_tiles_is_skipped_and_never_read_as_one_picture(dicom, read, tmp_path, sign):
    path = signed(dicom, sign)
    (found,) = discover(tmp_path)
    assert isinstance(found, Skipped)
    assert (found.kind, found.reason) == ("mosaic", "it is a mosaic of slices in one picture")
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "mosaic"


@pytest.mark.parametrize("sign", NO_SIGNS.values(), ids=NO_SIGNS)
def test_what_is_no_volume_in_tiles_is_read(dicom, read, tmp_path, sign):
    path = signed(dicom, sign)
    assert sizes(tmp_path) == [1]
    assert read(path).array.shape == (1, 4, 4)
