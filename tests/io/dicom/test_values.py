"""Stored values to the reader's values: each rule of the DICOM pixel chain against arithmetic written here."""

from __future__ import annotations

from functools import partial

import highdicom
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medad.io import UnreadableImage
from medad.io.dicom.instance import _look_up
from medad.io.dicom.luts import Lut, Window
from medad.io.dicom.values import Rule


@pytest.fixture
def ramp():
    """(8, 16) of 0..4095 in steps, unsigned 16 bits."""
    return np.linspace(0, 4095, 128).astype(np.uint16).reshape(8, 16)


def seen(picture):
    """(C, W, H) back to (H, W) or (H, W, C)."""
    return picture.array.T.squeeze(-1) if len(picture.array) == 1 else picture.array.transpose(2, 1, 0)


def test_axes_are_columns_first(dicom, read, ramp):
    picture = read(dicom("a.dcm", ramp, bits=12))
    assert picture.array.shape == (1, 16, 8)
    assert picture.array.dtype == np.float32
    assert picture.array[0, 15, 0] == ramp[0, 15]


@pytest.mark.parametrize("shape", [None, "INVERSE", "IDENTITY"])
def test_monochrome1_is_inverted_about_the_stored_bits_with_and_without_lut_shape(dicom, read, ramp, shape):
    tags = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": shape}
    picture = read(dicom("a.dcm", ramp, bits=12, RescaleSlope=2, RescaleIntercept=-100, **tags))
    assert_allclose(seen(picture), 2.0 * (4095 - ramp.astype(float)) - 100)
    assert picture.reading["inverted"] is True
    assert any("IDENTITY" in note for note in picture.reading["assumed"]) is (shape == "IDENTITY")


def test_signed_monochrome1_is_inverted_about_its_own_range(dicom, read):
    pixels = np.array([[-2048, -1, 0, 2047]], np.int16)
    picture = read(dicom("a.dcm", pixels, bits=12, PhotometricInterpretation="MONOCHROME1"))
    assert_array_equal(seen(picture), [[2047, 0, -1, -2048]])


def test_garbage_above_the_stored_bits_is_masked(dicom, read, ramp):
    garbage = np.random.default_rng(0).integers(0, 16, ramp.shape).astype(np.uint16) << 12
    assert_array_equal(seen(read(dicom("a.dcm", ramp | garbage, bits=12))), ramp)
    signed = (ramp.astype(np.int32) - 2048).astype(np.int16)
    dirty = ((signed.view(np.uint16) & 0x0FFF) | garbage).view(np.int16)
    assert_array_equal(seen(read(dicom("b.dcm", dirty, bits=12))), signed)


def test_bits_below_the_high_bit_window_are_shifted_out(dicom, read):
    value = np.array([[0, 1, 255, 200]], np.uint16)
    picture = read(dicom("a.dcm", (value << 4) | 0xF00F, bits=8, HighBit=11))
    assert_array_equal(seen(picture), value)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize("big", [False, True])
def test_every_integer_width_and_sign(dicom, read, kind, big):
    ends = np.iinfo(kind)
    pixels = np.array([[ends.min, 0, 1, ends.max // 2, ends.max, 5]], kind)
    picture = read(dicom("a.dcm", pixels, big=big, Modality="OT"))
    assert_array_equal(seen(picture), pixels.astype(np.float32))


def test_modality_lut_then_inversion_about_its_range(dicom, read):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4, 10, 16])
    item.ModalityLUTType = "US"
    item.add_new("LUTData", "US", [100, 300, 200, 900])
    pixels = np.array([[0, 10, 11, 12, 13, 99]], np.uint16)
    tags = {"ModalityLUTSequence": Sequence([item])}
    assert_array_equal(seen(read(dicom("a.dcm", pixels, **tags))), [[100, 100, 300, 200, 900, 900]])
    inverted = read(dicom("b.dcm", pixels, PhotometricInterpretation="MONOCHROME1", **tags))
    assert_array_equal(seen(inverted), [[900, 900, 700, 800, 100, 100]])
    assert inverted.reading["modality_lut"] is True


def window(function, x, center, width):
    """PS3.3 C.11.2.1.2 and .3, written from the standard's pseudo-code, onto 0..255."""
    if function == "SIGMOID":
        return 255 / (1 + np.exp(-4 * (x - center) / width))
    if function == "LINEAR_EXACT":
        y = (x - center) / width + 0.5
        low, high = center - width / 2, center + width / 2
    else:
        y = (x - (center - 0.5)) / (width - 1) + 0.5
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    return np.where(x <= low, 0, np.where(x > high, 1, y)) * 255


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_voi_window_as_the_standard_writes_it_and_as_highdicom_does(dicom, read, ramp, function, photometric):
    tags = {"VOILUTFunction": function, "WindowCenter": [900, 5], "WindowWidth": [700, 9]}
    slope = 1 if function in ("LINEAR", None) else 0.5  # highdicom's LINEAR takes the 1 off the width before rescale
    tags |= {"RescaleSlope": slope, "RescaleIntercept": -20, "PhotometricInterpretation": photometric}
    path = dicom("a.dcm", ramp, bits=12, **tags)
    picture = read(path, voi="window")
    expected = window(function, ramp.astype(float) * slope - 20, 900, 700)
    expected = 255 - expected if photometric == "MONOCHROME1" else expected
    assert_allclose(seen(picture), expected, atol=1e-3)
    theirs = highdicom.imread(path).get_frame(1, apply_voi_transform=True, voi_output_range=(0.0, 255.0))
    assert_allclose(seen(picture), theirs, atol=1e-3)
    assert picture.reading["value_range"] == [0.0, 255.0]


def test_a_named_window_is_found_and_an_unknown_one_refused(dicom, read, ramp):
    names = {"WindowCenterWidthExplanation": ["LUNG", "BONE"]}
    path = dicom("a.dcm", ramp, bits=12, WindowCenter=[900, 2000], WindowWidth=[700, 100], **names)
    assert_allclose(seen(read(path, voi="window", window="BONE")), window("LINEAR", ramp, 2000, 100), atol=1e-3)
    with pytest.raises(UnreadableImage, match="no VOI window of the name"):
        read(path, voi="window", window="BRAIN")


def test_voi_lut_is_scaled_from_its_bits(dicom, read):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [3, 100, 12])
    item.add_new("LUTData", "US", [0, 1000, 4095])
    pixels = np.array([[0, 100, 101, 102, 500]], np.uint16)
    picture = read(dicom("a.dcm", pixels, VOILUTSequence=Sequence([item])), voi="window")
    assert_allclose(seen(picture), np.array([[0, 0, 1000, 4095, 4095]]) * 255 / 4095, rtol=1e-6)
    assert picture.reading["window"] == {"lut": 3}


def test_without_a_window_the_range_of_the_image_is_shown_and_said(dicom, read, ramp):
    picture = read(dicom("a.dcm", ramp, bits=12), voi="window")
    assert_allclose(seen(picture), ramp / 4095 * 255, rtol=1e-5)
    assert any("no VOI window" in note for note in picture.reading["assumed"])


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_published_rule_for_chest_radiographs(dicom, read, photometric):
    stored = np.array([[17, 400, 1000, 3000]], np.uint16)
    path = dicom("a.dcm", stored, bits=12, RescaleSlope=-3, PhotometricInterpretation=photometric)
    x = stored.astype(float)
    x = x.max() - x if photometric == "MONOCHROME1" else x
    expected = ((x - x.min()) / (x.max() - x.min()) * 255).astype(np.uint8)
    picture = read(path, voi="published")
    assert_array_equal(seen(picture), expected)
    assert picture.reading["value_range"] == [0.0, 255.0]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_published_rule_keeps_values_that_are_eight_bit_already(dicom, read, photometric, kind):
    """8 bits stored, in 8 or 16: no min-max, but for the inversion, which is about the image's maximum."""
    stored = np.array([[17, 40, 100, 200]], kind)
    picture = read(dicom("a.dcm", stored, bits=8, PhotometricInterpretation=photometric), voi="published")
    assert_array_equal(seen(picture), 200 - stored.astype(int) if photometric == "MONOCHROME1" else stored)
    assert picture.reading["value_range"] == [0.0, 255.0]


def test_the_published_rule_stretches_signed_values_of_eight_bits(dicom, read):
    stored = np.array([[-100, 0, 20, 27]], np.int8)
    assert_array_equal(seen(read(dicom("a.dcm", stored, bits=8), voi="published")), [[0, 200, 240, 255]])


def test_signed_padding_becomes_the_lowest_real_value(dicom, read):
    pixels = np.array([[-2000, -2000, -500, 0, 900]], np.int16)
    tags = {"PixelPaddingValue": -2000, "RescaleSlope": 1, "RescaleIntercept": -1024}
    path = dicom("a.dcm", pixels, **tags)
    assert_array_equal(seen(read(path)), [[-1524, -1524, -1524, -1024, -124]])
    assert_array_equal(seen(read(path, padding="keep")), pixels - 1024.0)


def test_padding_of_an_inverted_image_is_black_and_ranges_are_known(dicom, read):
    pixels = np.array([[0, 1, 2, 1000, 4000]], np.uint16)
    tags = {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 1, "PhotometricInterpretation": "MONOCHROME1"}
    assert_array_equal(seen(read(dicom("a.dcm", pixels, bits=12, **tags))), [[95, 95, 4093, 3095, 95]])


def test_padding_outside_the_stored_bits_hits_no_real_pixel(dicom, read):
    pixels = np.array([[63536, 2096, 7]], np.uint16)  # 63536 & 0xFFF == 2096
    picture = read(dicom("a.dcm", pixels, bits=12, PixelPaddingValue=63536))
    assert_array_equal(seen(picture), [[7, 2096, 7]])


def test_palette_becomes_rgb(dicom, read):
    lut = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    tags = {"PhotometricInterpretation": "PALETTE COLOR", "Modality": "US"}
    for name, entries in zip(("Red", "Green", "Blue"), lut, strict=True):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    pixels = np.array([[0, 1], [2, 3]], np.uint8)
    picture = read(dicom("a.dcm", pixels, **tags))
    assert_array_equal(picture.array, lut[:, pixels.T].astype(np.float32))


def test_rgb_stays_or_becomes_documented_luminance(dicom, read):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    path = dicom("a.dcm", pixels, Modality="US")
    assert_array_equal(seen(read(path)), pixels)
    gray = read(path, color="gray")
    assert gray.array.shape == (1, 5, 6)
    assert_allclose(seen(gray), pixels @ np.array([0.299, 0.587, 0.114]), rtol=1e-5)


def test_ybr_full_becomes_rgb(dicom, read):
    ybr = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    y, b, r = (ybr[..., i].astype(float) for i in range(3))
    rgb = np.stack([y + 1.402 * (r - 128), y - 0.344136 * (b - 128) - 0.714136 * (r - 128), y + 1.772 * (b - 128)], -1)
    picture = read(dicom("a.dcm", ybr, Modality="US", PhotometricInterpretation="YBR_FULL"))
    assert_allclose(seen(picture), rgb.clip(0, 255), atol=1.01)


def test_a_rescale_slope_of_zero_is_said_and_not_used(dicom, read, ramp):
    picture = read(dicom("a.dcm", ramp, bits=12, RescaleSlope=0, RescaleIntercept=5))
    assert_array_equal(seen(picture), ramp + 5.0)
    assert any("slope of 0" in note for note in picture.reading["assumed"])


@pytest.mark.parametrize("kind", ["<u2", "<i2", ">u2", ">i2", "|u1", "|i1"])
@pytest.mark.parametrize("invert", [False, True])
def test_a_large_image_takes_a_table_that_changes_no_value(kind, invert):
    rng = np.random.default_rng(0)
    info = np.iinfo(kind)
    bits = rng.integers(info.min, info.max + 1, (40, 50)).astype(kind)
    bits[0, :2] = info.min, info.max
    entries = np.sort(rng.random(300)) * 900
    for rule in (
        Rule(0.5, -7.0, None, Window(50, 300, "LINEAR"), invert),
        Rule(1.0, 0.0, None, Window(50, 300, "SIGMOID"), invert),
        Rule(1.0, 0.0, Lut(-3, entries, 10), None, invert),
        Rule(2.0, 1.0, None, Lut(5, entries, 10), invert),
    ):
        out, span = np.empty(bits.shape, np.float32), (info.min, info.max)
        _look_up(partial(rule, span=span), bits, out)
        assert_array_equal(out, rule(bits, span).astype(np.float32))


def test_bits_of_an_overlay_are_no_part_of_a_large_image(dicom, read):
    pixels = np.random.default_rng(1).integers(0, 4096, (640, 512)).astype(np.uint16)
    tags = {"WindowCenter": 1500, "WindowWidth": 900}
    clean = read(dicom("a.dcm", pixels, bits=12, **tags), voi="window")
    marked = pixels | np.random.default_rng(2).integers(0, 16, pixels.shape).astype(np.uint16) << 12
    assert_array_equal(read(dicom("b.dcm", marked, bits=12, **tags), voi="window").array, clean.array)


def test_a_large_image_is_windowed_like_its_parts(dicom, read):
    pixels = np.random.default_rng(1).integers(0, 4096, (640, 512)).astype(np.uint16)
    tags = {"WindowCenter": 1500, "WindowWidth": 900, "RescaleSlope": 2, "RescaleIntercept": -100}
    whole = read(dicom("a.dcm", pixels, bits=12, **tags), voi="window")
    part = read(dicom("b.dcm", pixels[:64].copy(), bits=12, **tags), voi="window")
    assert_array_equal(whole.array[0][:, :64], part.array[0])
