"""Padding after lossy compression: the background comes out as in the lossless twin, or the record says it did not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLSNearLossless

SIDE = 128
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
OUTSIDE = np.hypot(ROWS - SIDE / 2, COLUMNS - SIDE / 2) > SIDE / 2 - 2
INSIDE = np.hypot(ROWS - SIDE / 2, COLUMNS - SIDE / 2) < SIDE / 2 - 8
PADDING = -2000


def scan(low: int = 0) -> np.ndarray:
    """A round field of view of a CT, from ``low`` (air) up, in padding."""
    noise = np.random.default_rng(3).normal(0, 12, (SIDE, SIDE))
    tissue = np.hypot(ROWS - 60, COLUMNS - 70) < 40
    image = low + np.abs(noise) + 1000 * tissue + 200 * np.sin(COLUMNS / 9) * tissue
    return np.where(OUTSIDE, PADDING, image).astype(np.int16)


@pytest.fixture
def padded(dicom: Callable[..., Path]) -> Callable[..., tuple[Path, Path]]:
    """``padded(pixels, syntax, ...)``: a CT and its lossy twin."""

    def write(pixels: np.ndarray, syntax: Any, padding: int = PADDING, **options: Any) -> tuple[Path, Path]:
        tags = {"PixelPaddingValue": padding, "RescaleIntercept": -1024}
        plain, lossy = dicom("plain.dcm", pixels, **tags), dicom("lossy.dcm", pixels, **tags)
        image = pydicom.dcmread(lossy)
        if syntax == JPEGBaseline8Bit:
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", **options)
            image.file_meta.TransferSyntaxUID = syntax
            image.PixelData = encapsulate([stream.getvalue()])
            image["PixelData"].VR = "OB"
        else:
            image.compress(syntax, **options)
        image.LossyImageCompression = "01"
        image.save_as(lossy)
        return plain, lossy

    return write


LOSSY = [
    (JPEG2000, {"j2k_cr": [12], "encoding_plugin": "pylibjpeg"}),
    (JPEG2000, {"j2k_cr": [25], "encoding_plugin": "pylibjpeg"}),
    (JPEGLSNearLossless, {"jls_error": 3}),
    (JPEGLSNearLossless, {"jls_error": 20}),
]


@pytest.mark.parametrize(("syntax", "options"), LOSSY)
def test_the_background_is_that_of_the_lossless_twin(padded, read, syntax, options):
    plain, lossy = (read(path) for path in padded(scan(), syntax, **options))
    before, kept = (read(path, padding="keep") for path in padded(scan(), syntax, **options))
    error = np.abs(kept.array - before.array)[0].T[INSIDE].max()  # what the codec does to the image itself
    assert plain.array.min() == -1024
    assert 0 < error < 600
    assert abs(lossy.array.min() - plain.array.min()) <= error
    assert_array_equal(lossy.array[0].T[OUTSIDE], np.full(OUTSIDE.sum(), lossy.array.min()))
    assert_array_equal(lossy.array[0].T[INSIDE], np.maximum(kept.array[0].T[INSIDE], lossy.array.min()))
    assert lossy.reading["padding"] == "lowest"
    if syntax == JPEG2000:
        assert any("after lossy compression" in note for note in lossy.reading["assumed"])


def test_jpeg_baseline_of_eight_bits(padded, read):
    pixels = np.where(OUTSIDE, 0, 80 + (scan() > 500) * 90 + 20 * np.sin(COLUMNS / 5)).astype(np.uint8)
    plain, lossy = (read(path) for path in padded(pixels, JPEGBaseline8Bit, padding=0, quality=60))
    assert abs(lossy.array.min() - plain.array.min()) < 12
    assert len(np.unique(lossy.array[0].T[OUTSIDE])) == 1


def test_padding_that_cannot_be_told_from_the_image_is_left_and_said(padded, read):
    """The image goes down to the padding value without a gap."""
    slope = (PADDING + 12 * COLUMNS).astype(np.int16)
    pixels = np.where(OUTSIDE, PADDING, slope).astype(np.int16)
    lossy = read(padded(pixels, JPEG2000, j2k_cr=[20], encoding_plugin="pylibjpeg")[1])
    assert lossy.reading["padding"] is None
    assert (
        "padding cannot be told from the image after lossy compression: it is not removed" in lossy.reading["assumed"]
    )


def test_a_lossy_image_that_has_no_padding_in_it_stays_as_it_is(padded, read):
    whole = np.abs(scan()).astype(np.int16)
    path = padded(whole, JPEG2000, j2k_cr=[12], encoding_plugin="pylibjpeg")[1]
    assert_array_equal(read(path).array, read(path, padding="keep").array)


def test_padding_of_a_lossless_image_is_exact(dicom, read):
    """A real value next to the padding value is no padding."""
    pixels = scan(low=PADDING + 1)
    picture = read(dicom("a.dcm", pixels, PixelPaddingValue=PADDING))
    assert_array_equal(picture.array[0].T, np.where(pixels == PADDING, pixels[pixels != PADDING].min(), pixels))


def test_a_range_of_padding_values(padded, read, dicom):
    pixels = np.where(OUTSIDE & (COLUMNS > 64), PADDING + 100, scan()).astype(np.int16)
    path = padded(pixels, JPEG2000, j2k_cr=[12], encoding_plugin="pylibjpeg")[1]
    image = pydicom.dcmread(path)
    image.add_new("PixelPaddingRangeLimit", "SS", PADDING + 100)
    image.save_as(path)
    picture = read(path)
    assert len(np.unique(picture.array[0].T[OUTSIDE])) == 1
