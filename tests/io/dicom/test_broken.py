"""Damaged, lying and hostile DICOM files: read with a note if it is safe, else one kind of error, quickly."""

from __future__ import annotations

import os
import pickle
import time
import tracemalloc

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGExtended12Bit, RLELossless

from medad.io import UnreadableImage
from medad.io.core import isolation
from medad.io.core.errors import guarded
from medad.io.core.isolation import in_child

PIXELS = np.arange(20, dtype=np.uint16).reshape(4, 5)


def refusal(read, path, **settings) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read(path, **settings)
    assert caught.value.path == path
    return caught.value


def quietly(read, path, **settings) -> UnreadableImage:
    """The refusal, made in under a second and with less than 32 MB."""
    read_once = time.perf_counter()
    tracemalloc.start()
    error = refusal(read, path, **settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - read_once < 1
    assert peak < 32 * 1024**2
    return error


def test_a_kilobyte_that_claims_65535_squared_pixels(dicom, read):
    path = dicom("a.dcm", PIXELS, Rows=65535, Columns=65535)
    assert path.stat().st_size < 2048
    error = quietly(read, path)
    assert error.kind == "too-large"
    assert "several smaller" in error.remedy


def test_a_claim_within_the_ceiling_but_absurd_for_its_file(dicom, read):
    assert quietly(read, dicom("a.dcm", PIXELS, Rows=20000, Columns=20000)).kind == "too-large"
    assert quietly(read, dicom("b.dcm", PIXELS, Rows=100, Columns=100)).kind == "truncated"


def test_frames_that_are_not_there(dicom, read):
    assert quietly(read, dicom("a.dcm", PIXELS, NumberOfFrames=2**31 - 1)).kind == "too-large"
    assert quietly(read, dicom("b.dcm", PIXELS, NumberOfFrames=3)).kind == "truncated"


def test_a_codestream_larger_than_its_header_says(dicom, read):
    path = dicom("a.dcm", PIXELS)
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    siz = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + b"\x00\x00\xff\xff" * 2 + b"\0" * 40 + b"\xff\xd9"
    image.PixelData = encapsulate([siz])
    image["PixelData"].VR = "OB"
    image.save_as(path)
    error = quietly(read, path)
    assert error.kind == "corrupt"
    assert "65535 x 65535" in error.reason


def test_a_deflated_bomb(dicom, read, tmp_path):
    path = dicom("a.dcm", np.zeros((9000, 9000), np.uint16))
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(path)
    assert path.stat().st_size < 500_000
    assert quietly(read, path, max_bytes=16 * 1024**2).kind == "too-large"


@pytest.mark.parametrize("value", ["1A", "-3", "0", "1e99"])
def test_number_of_frames_that_is_none(dicom, read, value):
    path = dicom("a.dcm", PIXELS, NumberOfFrames=1111)
    path.write_bytes(path.read_bytes().replace(b"1111", value.encode().ljust(4)))
    assert refusal(read, path).kind in ("corrupt", "empty", "too-large")


@pytest.mark.parametrize(
    ("tag", "value"),
    [("BitsAllocated", 12), ("BitsStored", 0), ("BitsStored", 17), ("SamplesPerPixel", 2), ("Rows", 0)],
)
def test_pixel_descriptions_that_contradict_themselves(dicom, read, tag, value):
    path = dicom("a.dcm", PIXELS)
    image = pydicom.dcmread(path)
    setattr(image, tag, value)
    image.save_as(path)
    assert refusal(read, path).kind in ("corrupt", "empty", "unsupported-photometric")


def test_truncated_pixels_are_refused_at_every_length(dicom, read):
    path = dicom("a.dcm", PIXELS)
    whole = path.read_bytes()
    for cut in (1, 2, 20, 39, 40):
        path.write_bytes(whole[:-cut])
        assert refusal(read, path).kind == "truncated"
    for cut in (41, 48, 200, 400):
        path.write_bytes(whole[:-cut])
        assert refusal(read, path).kind in ("truncated", "corrupt", "no-pixels")


def test_a_compressed_file_cut_within_its_pixels(bundled, read, tmp_path):
    whole = (bundled / "MR_small_jp2klossless.dcm").read_bytes()
    path = tmp_path / "cut.dcm"
    end = whole.rindex(b"\xff\xd9")
    for cut in (0, 1, 100, 1000, 3000):
        path.write_bytes(whole[: end - cut])
        assert refusal(read, path).kind in ("truncated", "corrupt", "no-pixels")


def test_excess_bytes_are_ignored_and_said(dicom, read):
    path = dicom("a.dcm", PIXELS)
    image = pydicom.dcmread(path)
    image.PixelData += b"\xff" * 10
    image.save_as(path)
    picture = read(path)
    assert_array_equal(picture.array[0], PIXELS.T)
    assert any("10 bytes after" in note for note in picture.reading["assumed"])


@pytest.mark.parametrize("start", [128 + 4, 0])
def test_a_missing_preamble_is_said(dicom, read, start, tmp_path):
    path = dicom("a.dcm", PIXELS)
    path.write_bytes(path.read_bytes()[132:])
    picture = read(path)
    assert_array_equal(picture.array[0], PIXELS.T)
    assert any("no DICOM preamble" in note for note in picture.reading["assumed"])


@pytest.mark.parametrize("implicit", [True, False])
def test_a_data_set_without_meta_header_is_read_by_its_bytes(dicom, read, implicit, tmp_path):
    image = pydicom.dcmread(dicom("a.dcm", PIXELS))
    path = tmp_path / "bare"
    del image.file_meta.TransferSyntaxUID
    pydicom.filewriter.dcmwrite(path, pydicom.Dataset(image), implicit_vr=implicit, little_endian=True)
    picture = read(path)
    assert_array_equal(picture.array[0], PIXELS.T)
    assert any("no transfer syntax" in note for note in picture.reading["assumed"])


def test_an_unknown_transfer_syntax_and_a_missing_gpl_decoder_are_named(bundled, dicom, read):
    path = dicom("a.dcm", PIXELS)
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    image.PixelData = encapsulate([b"\0\0\0\1" * 8])
    image["PixelData"].VR = "OB"
    image.save_as(path)
    assert refusal(read, path).kind == "unsupported-transfer-syntax"
    error = refusal(read, bundled / "JPGExtended.dcm")
    assert JPEGExtended12Bit.name in error.reason
    assert "pylibjpeg-libjpeg" in error.remedy
    assert "GPL" in error.remedy


def test_nothing_of_the_patient_is_in_errors_or_meta(dicom, read):
    secrets = ("4711", "Doe", "1970", "0815", "1.2.3.4")
    picture = read(dicom("a.dcm", PIXELS))
    assert not any(secret in str(picture.reading) for secret in secrets)
    assert picture.patient == {}
    asked = read(dicom("a.dcm", PIXELS), keep_patient_tags=True)
    assert asked.patient["PatientID"] == "ID-4711"
    broken = [
        dicom("b.dcm", PIXELS, Rows=99),
        dicom("c.dcm", PIXELS, BitsAllocated=12),
        dicom("d.dcm", PIXELS, BitsStored=99),
    ]
    for path in broken:
        error = refusal(read, path)
        assert not any(secret in str(error) + repr(error.__cause__) for secret in secrets)
        assert error.__suppress_context__ or error.__context__ is None


def test_wrong_values_reach_neither_log_nor_warnings(dicom, read, caplog, recwarn):
    path = dicom("a.dcm", PIXELS)
    path.write_bytes(path.read_bytes().replace(b"1.2.3.4\0", b"JaneDoe\0"))
    read(path)
    assert pydicom.dcmread(path).SeriesInstanceUID == "JaneDoe"  # pydicom would log "Invalid value ...: 'JaneDoe'"
    assert "Jane" not in caplog.text
    assert "JaneDoe" in str(recwarn.pop().message)  # and it warns, outside of our readers
    with guarded(path):
        assert pydicom.dcmread(path).SeriesInstanceUID == "JaneDoe"
    assert not recwarn.list


def test_an_error_survives_workers():
    error = UnreadableImage("folder/scan.dcm", "truncated", "it ends early", "send it again")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.kind, again.reason, again.remedy) == (
        error.path,
        "truncated",
        "it ends early",
        error.remedy,
    )
    assert str(again) == "cannot read scan.dcm: it ends early (truncated); send it again"
    assert isinstance(UnreadableImage("only a message"), UnreadableImage)


@pytest.mark.parametrize("name", ["CT_small", "MR_small_RLE", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless",
                                  "SC_rgb_jpeg_dcmtk", "SC_rgb_jpeg_gdcm", "examples_palette"])  # fmt: skip
def test_random_damage_is_read_or_refused_and_never_an_untyped_error(bundled, read, tmp_path, name):
    rng = np.random.default_rng(len(name))
    whole = np.frombuffer((bundled / f"{name}.dcm").read_bytes(), np.uint8)
    path = tmp_path / "damaged.dcm"
    for _ in range(25):
        damaged = whole.copy()
        reach = 2000 if rng.random() < 0.7 else len(whole)
        damaged[rng.integers(132, reach, rng.integers(1, 6))] = rng.integers(0, 256)
        path.write_bytes(damaged[: len(whole) if rng.random() < 0.7 else rng.integers(200, len(whole))].tobytes())
        try:
            picture = read(path)
        except UnreadableImage:
            continue
        assert np.isfinite(picture.array).all()


def test_a_decoder_that_aborts_its_process_costs_one_file_only(bundled, read, tmp_path):
    whole = bytearray((bundled / "SC_rgb_jpeg_gdcm.dcm").read_bytes())
    start = whole.index(b"\xff\xc4\x00\x17")  # GDCM throws through its C API when the Huffman table is not one
    whole[start : start + 1] = b"\xc4"
    path = tmp_path / "hostile.dcm"
    path.write_bytes(whole)
    assert refusal(read, path).kind == "corrupt"


def test_frames_made_in_a_child_are_the_same():
    frames = [np.arange(6, dtype=">u2").reshape(2, 3), np.random.default_rng(0).random((40, 50, 3))]
    made = list(in_child(lambda: iter(frames)))
    for one, two in zip(frames, made, strict=True):
        assert_array_equal(one, two)
        assert one.dtype == two.dtype


def test_a_process_that_may_die_makes_no_child(monkeypatch):
    monkeypatch.setattr(isolation, "_expendable", False)
    assert [*in_child(lambda: iter([np.array(os.getpid())]))] != [os.getpid()]
    isolation.expendable()
    assert [*in_child(lambda: iter([np.array(os.getpid())]))] == [os.getpid()]


def test_a_child_that_dies_or_hangs_is_an_error(monkeypatch):
    def dies():
        yield PIXELS
        os.abort()

    def hangs():
        time.sleep(60)
        yield PIXELS

    with pytest.raises(RuntimeError, match="ended its process"):
        list(in_child(dies))
    monkeypatch.setattr(isolation, "PATIENCE", 0.2)
    with pytest.raises(RuntimeError, match="too long"):
        list(in_child(hangs))


def test_rle_of_too_few_segments(dicom, read):
    path = dicom("a.dcm", PIXELS)
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = RLELossless
    image.PixelData = encapsulate([b"\x01\0\0\0\x40\0\0\0" + b"\0" * 56 + b"\x81\x00"])
    image["PixelData"].VR = "OB"
    image.save_as(path)
    assert refusal(read, path).kind == "corrupt"
