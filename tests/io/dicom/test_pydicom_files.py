"""All files that ship inside pydicom: read as another route reads them, or refused with a kind. The table by a command:
``medad inspect $(python -c "import pydicom.data, pathlib; print(pathlib.Path(pydicom.data.__file__).parent)")``."""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose

from medad.io import ReadSettings, UnreadableImage, read_picture

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and not path.name.startswith("."))
# What must not be read, by kind; every other file below must be read. The many header-only files are in TINY_ALPHA.
REFUSED = {
    "unsupported-transfer-syntax": {"JPEG-lossy.dcm", "JPGExtended.dcm"},
    "corrupt": {"JPEG2000-embedded-sequence-delimiter.dcm"},
    "truncated": {"MR_truncated.dcm"},
    "segmentation": {"liver_1frame.dcm", "liver_expb_1frame.dcm"},
    "rt-dose": {"badVR.dcm", "rtdose.dcm", "rtdose_1frame.dcm", "rtdose_expb.dcm", "rtdose_expb_1frame.dcm",
                "rtdose_rle.dcm", "rtdose_rle_1frame.dcm"},
    "rt-plan": {"ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "rtplan.dcm", "rtplan_truncated.dcm"},
    "rt-record": {"no_meta_group_length.dcm"},
    "rt-structure-set": {"rtstruct.dcm"},
    "report": {"reportsi.dcm", "reportsi_with_empty_number_tags.dcm", "test-SR.dcm"},
    "waveform": {"waveform_ecg.dcm"},
    "no-pixels": {"UN_sequence.dcm", "empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm",
                  "priv_SQ.dcm"},
    "not-an-image": {"README", "README.txt", "crayons.icc", "no_meta.dcm", "rtplan.dump", "rtstruct.dump",
                     "test1.json", "test_PN.json", "zipMR.gz"},
}  # fmt: skip


def expected_kind(path: Path) -> str | None:
    """The kind of refusal, None for a file that must be read."""
    if path.name.startswith("DICOMDIR"):
        return "dicomdir"
    if "TINY_ALPHA" in path.parts and path.name != "README":
        return "no-pixels"
    return next((kind for kind, names in REFUSED.items() if path.name in names), None)


def by_pydicom(path: Path) -> np.ndarray:
    """(F, H, W, C) by pydicom's own array and arithmetic."""
    image = pydicom.dcmread(path)
    pixels = image.pixel_array
    if image.PhotometricInterpretation == "PALETTE COLOR":
        pixels = pydicom.pixels.apply_color_lut(pixels, image)
    pixels = pixels.astype(np.float64)
    if image.SamplesPerPixel == 1 and image.PhotometricInterpretation.startswith("MONO"):
        if image.PhotometricInterpretation == "MONOCHROME1":
            signed = image.PixelRepresentation
            ends = (-(2 ** (image.BitsStored - 1)), 2 ** (image.BitsStored - 1) - 1)
            pixels = (sum(ends) if signed else 2**image.BitsStored - 1) - pixels
        pixels = pixels * float(image.get("RescaleSlope", 1)) + float(image.get("RescaleIntercept", 0))
        pixels = pixels[..., np.newaxis]
    return pixels if int(image.get("NumberOfFrames") or 1) > 1 else pixels[np.newaxis]


def by_highdicom(path: Path) -> np.ndarray | None:
    """(F, H, W, C) by highdicom, None for a file that it does not open."""
    if (
        path.name.endswith(("bigendian.dcm", "expb.dcm", "BigEnd.dcm", "big_endian.dcm"))
        or "small_odd.dcm" in path.name
    ):
        return None
    image = highdicom.imread(path)
    frames = image.get_frames(apply_real_world_transform=False, apply_icc_profile=False)
    return frames if frames.ndim == 4 else frames[..., np.newaxis]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_read_like_another_route_or_refused_with_its_kind(path):
    if kind := expected_kind(path):
        with pytest.raises(UnreadableImage) as caught:
            read_picture(path, ReadSettings())
        assert caught.value.kind == kind
        return
    picture = read_picture(path, ReadSettings(padding="keep"))
    seen = picture.array if picture.array.ndim == 4 else picture.array[..., np.newaxis]
    seen = seen.transpose(3, 2, 1, 0)
    logging.disable(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = by_pydicom(path), by_highdicom(path)
    logging.disable(logging.NOTSET)
    assert_allclose(seen, one, rtol=1e-6, atol=3e-4)
    if two is not None:
        assert_allclose(seen, two, rtol=1e-6, atol=3e-4)


def test_the_table_covers_every_file():
    assert len(FILES) > 140
    kinds = [expected_kind(path) for path in FILES]
    assert sum(kind is None for kind in kinds) >= 70
    assert math.isclose(sum(kind == "no-pixels" for kind in kinds), 55)


def test_lossless_encodings_of_one_image_are_equal(bundled):
    names = ("RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded")
    first = read_picture(bundled / "MR_small.dcm", ReadSettings())
    for name in names:
        other = read_picture(bundled / f"MR_small_{name}.dcm", ReadSettings())
        np.testing.assert_array_equal(other.array, first.array)
        np.testing.assert_array_equal(other.affine, first.affine)
