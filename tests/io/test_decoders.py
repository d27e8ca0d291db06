"""A frame that one decoder refuses is tried with the others, and the record says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from medad.io import UnreadableImage
from medad.io.core import isolation

DEEP = np.random.default_rng(0).integers(0, 4096, (64, 72)).astype(np.uint16)
FRAMES = np.random.default_rng(1).integers(0, 4096, (5, 64, 72)).astype(np.uint16)
Coded = Callable[..., Path]


@pytest.fixture
def coded(dicom: Callable[..., Path]) -> Coded:
    """``coded(syntax, pixels)`` writes a compressed DICOM file."""

    def write(syntax: UID, pixels: np.ndarray, **tags: Any) -> Path:
        path = dicom("a.dcm", pixels, bits=12, **tags)
        image = pydicom.dcmread(path)
        image.compress(syntax, encoding_plugin={RLELossless: "pydicom", JPEG2000Lossless: "pylibjpeg"}.get(syntax, ""))
        image.save_as(path)
        return path

    return write


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``refusing(syntax, "pyjpegls", which)``: that decoder refuses the frames for which ``which(n)`` is true."""

    def patch(syntax: UID, plugin: str, which: Callable[[int], bool] = lambda _: True) -> None:
        plugins = get_decoder(syntax)._available
        real, frames = plugins[plugin], []

        def decode(source: bytes, runner: Any) -> Any:
            frames.append(source)
            if which(order.index(source) if order else 0):
                raise RuntimeError("no")
            return real(source, runner)

        order: list[bytes] = []
        monkeypatch.setitem(plugins, plugin, decode)
        patch.order = order  # type: ignore[attr-defined]

    return patch


@pytest.mark.parametrize(
    ("syntax", "first", "second"),
    [(JPEGLSLossless, "pyjpegls", "gdcm"), (JPEG2000Lossless, "pylibjpeg", "gdcm")],
)
def test_what_one_decoder_refuses_another_decodes(coded, refusing, read, syntax, first, second):
    path = coded(syntax, DEEP)
    plain = read(path)
    assert_array_equal(plain.array[0], DEEP.T)
    assert plain.reading["decoder"] == first
    refusing(syntax, first)
    picture = read(path)
    assert_array_equal(picture.array[0], DEEP.T)
    assert picture.reading["decoder"] == second
    assert f"decoded by {second}, since {first} could not decode it" in picture.reading["assumed"]


def test_a_third_decoder_is_tried_and_all_that_failed_are_named(coded, refusing, read):
    path = coded(JPEG2000Lossless, DEEP)
    refusing(JPEG2000Lossless, "pylibjpeg")
    refusing(JPEG2000Lossless, "gdcm")
    picture = read(path)
    assert_array_equal(picture.array[0], DEEP.T)
    assert "decoded by pillow, since pylibjpeg, gdcm could not decode it" in picture.reading["assumed"]
    refusing(JPEG2000Lossless, "pillow")
    with pytest.raises(UnreadableImage, match="pylibjpeg: RuntimeError, gdcm: RuntimeError, pillow") as caught:
        read(path)
    assert caught.value.kind == "corrupt"


def test_frames_are_tried_one_by_one(coded, refusing, read):
    """The first decoder refuses frame 1, the second frame 3: both have to be used."""
    path = coded(JPEGLSLossless, FRAMES, NumberOfFrames=5)
    order = list(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=5))
    for plugin, bad in (("pyjpegls", 1), ("gdcm", 3)):
        refusing(JPEGLSLossless, plugin, lambda number, bad=bad: number == bad)
        refusing.order += order
    picture = read(path)
    assert_array_equal(picture.array[0], FRAMES.transpose(2, 1, 0))
    assert picture.reading["decoder"] == "pyjpegls, gdcm"
    assert len([note for note in picture.reading["assumed"] if note.startswith("decoded by")]) == 2


def test_jpeg_baseline_has_a_second_decoder(bundled, refusing, read):
    path = bundled / "examples_ybr_color.dcm"
    plain = read(path)
    assert plain.reading["decoder"] == "pillow"
    refusing(JPEGBaseline8Bit, "pillow")
    assert np.abs(read(path).array - plain.array).max() <= 3  # the two round differently


def test_a_second_try_that_aborts_its_process_costs_one_file_even_in_a_worker(coded, refusing, read, monkeypatch):
    """A worker may die over a file; but data that another decoder has refused are likely to make GDCM abort."""
    path = coded(JPEGLSLossless, DEEP)
    refusing(JPEGLSLossless, "pyjpegls")
    monkeypatch.setitem(get_decoder(JPEGLSLossless)._available, "gdcm", lambda *_: os.abort())
    monkeypatch.setattr(isolation, "_expendable", True)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "corrupt"


def test_good_files_need_no_child(coded, read, monkeypatch):
    path = coded(JPEGLSLossless, DEEP)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a child was made"))
    assert_array_equal(read(path).array[0], DEEP.T)


CODED = (JPEG2000Lossless, JPEGLSLossless, RLELossless)


@pytest.mark.parametrize("syntax", CODED, ids=lambda one: one.name)
@pytest.mark.parametrize("stated", ["", ExplicitVRLittleEndian, JPEGBaseline8Bit], ids=["none", "plain", "another"])
def test_a_compressed_data_set_is_read_by_its_frames(coded, read, syntax, stated, tmp_path):
    """Without file meta, or under another transfer syntax than that of its frames."""
    whole = pydicom.dcmread(coded(syntax, FRAMES, NumberOfFrames=5))
    path = tmp_path / "bare"
    if stated:
        whole.file_meta.TransferSyntaxUID = stated
        whole.save_as(path, implicit_vr=False, little_endian=True, enforce_file_format=False)
    else:
        bare = pydicom.Dataset(whole)
        pydicom.filewriter.dcmwrite(path, bare, implicit_vr=False, little_endian=True)
    picture = read(path)
    assert_array_equal(picture.array[0], FRAMES.transpose(2, 1, 0))
    assert picture.reading["transfer_syntax"] == syntax.name
    assert any("transfer syntax is stated: its frames are" in note for note in picture.reading["assumed"])


def test_frames_of_no_known_codec_are_named(coded, read, tmp_path):
    whole = pydicom.dcmread(coded(JPEG2000Lossless, DEEP))
    whole.PixelData = encapsulate([b"nothing known" * 20])
    path = tmp_path / "bare"
    pydicom.filewriter.dcmwrite(path, pydicom.Dataset(whole), implicit_vr=False, little_endian=True)
    with pytest.raises(UnreadableImage) as caught:
        read(path)
    assert caught.value.kind == "unsupported-transfer-syntax"
