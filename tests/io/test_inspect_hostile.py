"""`medad inspect` over files that hang, crash or never end: each costs itself, and nothing is read without end."""

from __future__ import annotations

import json
import os
import signal
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from medad.cli.inspect import inspect
from medad.io import UnreadableImage, inspection
from medad.io.core.errors import guarded
from medad.io.core.settings import ReadSettings
from medad.io.dicom.header import open_dicom
from medad.io.read import read_picture

PIXELS = np.arange(100 * 90, dtype=np.uint16).reshape(100, 90)
TAIL = 3 * 2**30


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(inspect)
    return CliRunner().invoke(app, [str(one) for one in arguments])


def endless(path: Path, size: int = TAIL) -> Path:
    """A sparse tail of zeros: 3 GB that take no room on the disk."""
    os.truncate(path, size)
    return path


def test_a_file_that_hangs_and_one_that_crashes_cost_themselves_only(dicom, tmp_path, monkeypatch):
    for name in ("a", "b", "c", "d"):
        dicom(f"{name}.dcm", PIXELS, Modality="CR")
    read = inspection.read_picture

    def bad(files, settings):
        if files[0].name == "a.dcm":
            time.sleep(600)
        if files[0].name == "c.dcm":
            os.kill(os.getpid(), signal.SIGSEGV)
        return read(files, settings)

    monkeypatch.setattr(inspection, "read_picture", bad)
    began = time.monotonic()
    done = run(tmp_path, "--json", "--timeout", 1)
    assert time.monotonic() - began < 60
    rows = {row["file"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["a.dcm", "b.dcm", "c.dcm", "d.dcm"]
    assert [row["status"] for row in rows.values()] == ["refused", "read", "refused", "read"]
    assert "longer than 1 s (timeout), twice" in rows["a.dcm"]["reason"]
    assert "SIGSEGV), twice" in rows["c.dcm"]["reason"]
    assert done.exit_code == 1


@pytest.mark.parametrize("modality", ["CR", "MR"])
def test_a_small_dicom_with_an_endless_tail_is_read_as_without_it(dicom, tmp_path, modality):
    path = dicom("a.dcm", PIXELS, Modality=modality)
    whole = read_picture(path, ReadSettings())
    endless(path)
    began = time.monotonic()
    tracemalloc.start()
    picture = read_picture(path, ReadSettings())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.monotonic() - began < 20
    assert peak < 64 * 2**20
    np.testing.assert_array_equal(picture.array, whole.array)
    done = run(tmp_path, "--json", "--timeout", 30)
    assert [row["status"] for row in json.loads(done.stdout)] == ["read"]


def quietly(path: Path) -> UnreadableImage:
    with pytest.raises(UnreadableImage) as caught:
        read_picture(path, ReadSettings())
    return caught.value


def test_a_length_that_is_far_beyond_what_the_pixels_need_is_refused(dicom):
    path = dicom("a.dcm", PIXELS)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"\xe0\x7f\x10\x00OW")
    content[at + 8 : at + 12] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    error = quietly(endless(path))
    assert (error.kind, "far more than its rows" in error.reason) == ("too-large", True)


def test_compressed_frames_without_an_end_are_refused(dicom):
    path = dicom("a.dcm", PIXELS)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + b"\1" * 1000])
    data["PixelData"].is_undefined_length = True
    data.save_as(path)
    path.write_bytes(path.read_bytes()[:-8])  # the delimiter
    began = time.monotonic()
    assert quietly(endless(path)).kind == "too-large"
    assert time.monotonic() - began < 30


def test_a_header_that_goes_over_into_zeros_ends_there(dicom):
    path = dicom("a.dcm", PIXELS)
    path.write_bytes(path.read_bytes()[:420])
    began = time.monotonic()
    with guarded(path):
        open_dicom(endless(path), ReadSettings(), pixels=False)
    assert quietly(path).kind in ("truncated", "corrupt", "no-pixels")
    assert time.monotonic() - began < 20


def test_a_deflated_data_set_with_an_endless_tail(dicom):
    path = dicom("a.dcm", PIXELS)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(path)
    whole = read_picture(path, ReadSettings())
    picture = read_picture(endless(path), ReadSettings())
    np.testing.assert_array_equal(picture.array, whole.array)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP"])
def test_rasters_with_an_endless_tail(tmp_path, form):
    path = tmp_path / "a"
    Image.fromarray(PIXELS.astype(np.uint8)).save(path, form)
    whole = read_picture(path, ReadSettings())
    began = time.monotonic()
    picture = read_picture(endless(path), ReadSettings())
    assert time.monotonic() - began < 20
    np.testing.assert_array_equal(picture.array, whole.array)


def test_a_large_image_is_read_in_two_steps_to_the_same_values(dicom):
    """Over 64 MiB: the header says how much is read."""
    pixels = np.random.default_rng(0).integers(0, 4096, (6000, 6000), dtype=np.uint16)
    path = dicom("a.dcm", pixels)
    assert path.stat().st_size > 64 * 2**20
    np.testing.assert_array_equal(read_picture(path, ReadSettings()).array[0].T, pixels)


def test_no_reason_names_an_error_of_the_language(tmp_path):
    """Whatever a library raises is said in words."""
    path = tmp_path / "a"
    for error in (
        KeyError("x"),
        IndexError(),
        ValueError("no"),
        TypeError(),
        AttributeError(),
        RuntimeError(),
        RecursionError(),
        UnicodeDecodeError("utf-8", b"", 0, 1, ""),
        ZeroDivisionError(),
        NotImplementedError(),
        AssertionError(),
    ):
        with pytest.raises(UnreadableImage) as caught, guarded(path):
            raise error
        assert caught.value.kind == "corrupt"
        assert "Error" not in str(caught.value)
        assert caught.value.reason


def test_a_share_that_does_not_answer_is_no_damage(tmp_path):
    with pytest.raises(UnreadableImage) as caught, guarded(tmp_path / "a"):
        raise OSError(5, "Input/output error")
    assert (caught.value.kind, "does not answer" in caught.value.reason) == ("io-error", True)


def test_links_out_of_the_folder_are_followed_only_when_asked(dicom, tmp_path):
    outside = dicom("outside/a.dcm", PIXELS, Modality="CR")
    dicom("box/b.dcm", PIXELS, Modality="CR")
    (tmp_path / "box" / "out.dcm").symlink_to(outside)
    (tmp_path / "box" / "up.dcm").symlink_to("../outside/a.dcm")
    (tmp_path / "box" / "in.dcm").symlink_to("b.dcm")
    (tmp_path / "door").symlink_to(tmp_path / "box")
    for folder in (tmp_path / "box", tmp_path / "door"):
        rows = {row["file"]: row for row in json.loads(run(folder, "--json").stdout)}
        assert {name: row["status"] for name, row in rows.items()} == {
            "b.dcm": "read",
            "in.dcm": "read",
            "out.dcm": "skipped",
            "up.dcm": "skipped",
        }
        assert "leads out of the folder" in rows["out.dcm"]["reason"]
    followed = json.loads(run(tmp_path / "box", "--json", "--follow-links").stdout)
    assert {row["status"] for row in followed} == {"read"}
