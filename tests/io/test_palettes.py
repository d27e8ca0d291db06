"""Palettes of 8 and 16 bits over indices of 8 and 16, plain and segmented."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from medad.io import UnreadableImage
from medad.io.inspection import thumbnail

INDEX = np.random.default_rng(0).integers(0, 256, (6, 9)).astype(np.uint8)
TABLES = np.random.default_rng(1).integers(0, 65536, (3, 256)).astype(np.uint16)
COLORS = ("Red", "Green", "Blue")


def palette(tables, bits, first=0, kind="<u2", segmented=False, count=None):
    tags = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color, table in zip(COLORS, tables, strict=True):
        tags[f"{color}PaletteColorLookupTableDescriptor"] = [(count or len(table)) % 65536, first, bits]
        name = f"{'Segmented' if segmented else ''}{color}PaletteColorLookupTableData"
        tags[name] = np.asarray(table).astype(kind).tobytes()
    return tags


def test_sixteen_bits_over_an_index_of_eight(dicom, read):
    picture = read(dicom("a.dcm", INDEX, **palette(TABLES, 16)))
    assert_array_equal(picture.array, TABLES[:, INDEX].transpose(0, 2, 1))
    assert picture.reading["bits"] == [16, 16]
    assert picture.reading["color"] == "RGB"


def test_the_picture_of_inspect_is_that_of_the_values(dicom, read):
    shown = thumbnail(read(dicom("a.dcm", INDEX, **palette(TABLES, 16))))
    expected = (TABLES[:, INDEX] // 257).transpose(1, 2, 0)
    assert np.abs(shown.astype(int) - expected).max() <= 1
    assert 90 < shown.mean() < 165, "a white picture"


@pytest.mark.parametrize("bits", [8, 16])
def test_eight_bits_stored_in_sixteen(dicom, read, bits):
    low = TABLES // 256
    picture = read(dicom("a.dcm", INDEX, **palette(low, bits)))
    assert_array_equal(picture.array, low[:, INDEX].transpose(0, 2, 1))
    assert picture.reading["bits"] == [8, 8]
    assert thumbnail(picture).mean() > 90
    high = read(dicom("b.dcm", INDEX, **palette(low * 256, 8)))
    assert_array_equal(high.array, picture.array)


def test_eight_bits_over_an_index_of_sixteen_with_more_than_256_entries(dicom, read):
    tables = np.random.default_rng(2).integers(0, 256, (3, 1000))
    index = np.random.default_rng(3).integers(0, 1200, (6, 9)).astype(np.uint16)
    picture = read(dicom("a.dcm", index, bits=16, **palette(tables, 8, first=100, kind="u1")))
    assert_array_equal(picture.array, tables[:, np.clip(index.astype(int) - 100, 0, 999)].transpose(0, 2, 1))


def test_a_segmented_palette_is_expanded(dicom, read):
    """Discrete 3 entries, a linear run of 5 up to 60000, and the two once more by an indirect segment."""
    segments = [0, 3, 10, 20, 50000, 1, 5, 60000, 2, 2, 0, 0]
    linear = [50000 + 2000 * step for step in range(1, 6)]
    table = [10, 20, 50000, *linear, 10, 20, 50000, *linear]
    index = (np.arange(54) % 16).reshape(6, 9).astype(np.uint8)
    tags = palette([segments] * 3, 16, segmented=True, count=len(table))
    picture = read(dicom("a.dcm", index, **tags))
    assert_array_equal(picture.array[1], np.asarray(table)[index].T)
    broken = palette([[2, 9, 40, 0]] * 3, 16, segmented=True, count=4)
    with pytest.raises(UnreadableImage, match="segments that make no sense"):
        read(dicom("b.dcm", index, **broken))


def test_a_palette_that_is_missing_or_too_short_is_named(dicom, read):
    with pytest.raises(UnreadableImage, match="does not have three values"):
        read(dicom("a.dcm", INDEX, PhotometricInterpretation="PALETTE COLOR"))
    with pytest.raises(UnreadableImage, match="fewer entries"):
        read(dicom("b.dcm", INDEX, **palette(TABLES[:, :100], 16, count=256)))


def test_a_supplemental_palette_is_said(dicom, read):
    tags = palette(TABLES, 16) | {"PhotometricInterpretation": "MONOCHROME2", "PixelPresentation": "MIXED"}
    picture = read(dicom("a.dcm", INDEX, **tags))
    assert_array_equal(picture.array[0], INDEX.T)
    assert any("supplemental palette" in note for note in picture.reading["assumed"])
