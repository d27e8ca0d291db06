"""PNG, JPEG, TIFF and BMP, 8 and 16 bits."""

from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from medad.io import UnreadableImage

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (6, 9)).astype(np.uint8)
COLOR = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_eight_bits_gray_and_color(read, tmp_path, suffix):
    gray = read(save(tmp_path / f"a.{suffix}", GRAY))
    assert_array_equal(gray.array, GRAY.T[np.newaxis])
    color = read(save(tmp_path / f"b.{suffix}", COLOR))
    assert_array_equal(color.array, COLOR.transpose(2, 1, 0))
    assert gray.reading["value_range"] == color.reading["value_range"] == [0.0, 255.0]
    assert gray.reading["format"] == "raster"
    luminance = read(tmp_path / f"b.{suffix}", color="gray")
    assert_allclose(luminance.array[0], (COLOR @ np.array([0.299, 0.587, 0.114])).T, rtol=1e-5)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_stay_sixteen(read, tmp_path, suffix):
    picture = read(save(tmp_path / f"a.{suffix}", DEEP))
    assert_array_equal(picture.array, DEEP.T[np.newaxis])
    assert picture.reading["value_range"] is None
    assert picture.reading["bits"] == [16, 16]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_color_is_not_cut_to_eight(read, tmp_path, suffix):
    deep = RNG.integers(0, 65536, (6, 9, 3)).astype(np.uint16)
    path = tmp_path / f"a.{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(deep, isVector=True), str(path))
    assert_array_equal(read(path).array, deep.transpose(2, 1, 0))


def test_jpeg_is_as_pillow_decodes_it(read, tmp_path):
    for pixels in (GRAY, COLOR):
        path = save(tmp_path / "a.jpg", pixels, quality=90)
        expected = np.atleast_3d(np.asarray(Image.open(path))).transpose(2, 1, 0)
        assert_array_equal(read(path).array, expected)


def test_other_modes(read, tmp_path):
    Image.fromarray(GRAY > 99).save(tmp_path / "bits.png")
    assert_array_equal(read(tmp_path / "bits.png").array[0], (GRAY > 99).T * 255)
    Image.fromarray(np.dstack([GRAY, GRAY])).save(tmp_path / "la.png")
    assert_array_equal(read(tmp_path / "la.png").array, GRAY.T[np.newaxis])
    Image.fromarray(np.dstack([COLOR, GRAY])).save(tmp_path / "rgba.png")
    assert_array_equal(read(tmp_path / "rgba.png").array, COLOR.transpose(2, 1, 0))
    few = Image.fromarray(COLOR).quantize(16)
    few.save(tmp_path / "palette.png")
    assert_array_equal(read(tmp_path / "palette.png").array, np.asarray(few.convert("RGB")).transpose(2, 1, 0))
    floats = GRAY.astype(np.float32) / 7
    save(tmp_path / "float.tif", floats)
    assert_array_equal(read(tmp_path / "float.tif").array[0], floats.T)


def test_white_is_zero_is_inverted_at_both_depths(read, tmp_path):
    for pixels in (GRAY, DEEP):
        path = save(tmp_path / "a.tif", pixels)
        raw = path.read_bytes()
        entry = struct.pack("<HHII", 262, 3, 1, 1)
        assert entry in raw
        path.write_bytes(raw.replace(entry, struct.pack("<HHII", 262, 3, 1, 0)))
        picture = read(path)
        assert_array_equal(picture.array[0], (np.iinfo(pixels.dtype).max - pixels).T)
        assert picture.reading["inverted"] is True


def test_an_exif_turn_is_said_and_not_made(read, tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    picture = read(save(tmp_path / "a.jpg", GRAY, exif=exif))
    assert picture.array.shape == (1, 9, 6)
    assert any("EXIF orientation" in note for note in picture.reading["assumed"])


def test_pages_are_refused_or_split(read, tmp_path):
    pages = [Image.fromarray(GRAY), Image.fromarray(255 - GRAY)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UnreadableImage) as caught:
        read(tmp_path / "a.tif")
    assert caught.value.kind == "multi-page"
    assert_array_equal(read(tmp_path / "a.tif#2", time="split").array[0], 255 - GRAY.T)


def test_non_finite_pixels_are_refused(read, tmp_path):
    floats = GRAY.astype(np.float32)
    floats[2, 3] = np.nan
    with pytest.raises(UnreadableImage) as caught:
        read(save(tmp_path / "a.tif", floats))
    assert caught.value.kind == "non-finite"
    assert read(tmp_path / "a.tif", non_finite="fill").array[0, 3, 2] == 0


def bomb(width, height):
    """A PNG of a few hundred bytes that claims width x height pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0" * 999))]
    body = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


@pytest.mark.parametrize("size", [(65535, 65535), (12000, 12000)])
def test_a_small_file_that_claims_much_is_refused_at_once(read, tmp_path, size):
    (tmp_path / "a.png").write_bytes(bomb(*size))
    start = time.perf_counter()
    with pytest.raises(UnreadableImage) as caught:
        read(tmp_path / "a.png")
    assert caught.value.kind == "too-large"
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_a_cut_file_is_refused(read, tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", RNG.integers(0, 256, (64, 64)).astype(np.uint8))
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.2):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UnreadableImage) as caught:
            read(path)
        assert caught.value.kind in ("truncated", "corrupt")
