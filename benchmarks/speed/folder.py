"""Files per second of `medad score` beside pure decoding, in one run, on 2,000 x 2,000 16-bit radiographs.

    python benchmarks/speed/folder.py [--files 240] [--workers 2] [--rounds 3] [--syntax plain,j2k,jls] [--heatmaps all]

Pure decoding is pydicom with the decoder that medad uses, ``dcmread(path)`` and ``decoder.as_array``, on as many
processes as medad has workers; it neither checks, rescales, nor resizes. `medad score` is the command itself, run in
this process on a new output folder each time: discovery, gate, reading, six-network DDAD (random weights: they cost the
same), ledger, tables, thumbnails; with --heatmaps all also a picture on the grid of each source. Both start processes
within the time measured, but the import of MONAI (some 10 s, once a run) is not in it. In turns; the median counts.
The processor time of a file is printed too, for it says the same on a busy machine. Ends with 1 if the ratio of a
compressed syntax is under --least.

Uncompressed files are there for comparison: what reads one from the cache copies 8 MB and is done in some milliseconds,
so that anything that looks at 4 million pixels is slower than that.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import torch
from _common import in_turns, machine, ratio
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    generate_uid,
)

from medad.cli import app
from medad.data.facts import facts_of
from medad.data.profile import profile_of
from medad.io import ReadSettings, read_picture
from medad.io.dicom.codecs import _PLUGINS  # so that both decode by the same library
from medad.io.image import image_of
from medad.methods.ddad import DDAD, DDADSettings
from medad.model import Card, save

SIDE = 2000
SYNTAXES = {"plain": ExplicitVRLittleEndian, "j2k": JPEG2000Lossless, "jls": JPEGLSLossless}
DIFFERENT = 12  # pictures that are really made; each file has a mark and UIDs of its own


def radiographs(folder: Path, syntax: str, count: int) -> list[Path]:
    """Write ``count`` files; smooth anatomy, quantum noise, 12 of 16 bits, as a detector gives them."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    files = []
    folder.mkdir(parents=True)
    encoded: list[bytes] = []
    for index in range(count):
        if index < DIFFERENT:
            body = 1800 + 900 * np.sin(5 * rows + rng.uniform(0, 1)) * np.cos(4 * columns + rng.uniform(0, 1))
            pixels = (body + rng.normal(0, 12, body.shape)).clip(0, 4095).astype(np.uint16)
            encoded.append(_encoded(pixels, syntax))
        files.append(folder / f"{index:05}.dcm")
        _write(files[-1], encoded[index % DIFFERENT], syntax)
    return files


def _encoded(pixels: np.ndarray, syntax: str) -> bytes:
    if syntax == "plain":
        return pixels.tobytes()
    if syntax == "jls":
        from jpeg_ls import encode_array

        return encapsulate([bytes(encode_array(pixels))])
    from openjpeg.utils import encode_array

    return encapsulate([bytes(encode_array(pixels, bits_stored=12, photometric_interpretation=2, use_mct=False))])


def _write(path: Path, data: bytes, syntax: str) -> None:
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID, image.Modality = generate_uid(), generate_uid(), "DX"
    image.BodyPartExamined, image.ViewPosition, image.PatientID = "CHEST", "PA", path.stem
    image.Rows = image.Columns = SIDE
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.WindowCenter, image.WindowWidth, image.ImagerPixelSpacing = 1800, 2600, [0.2, 0.2]
    image.PixelData = data
    image["PixelData"].VR = "OW" if syntax == "plain" else "OB"
    image.save_as(path, enforce_file_format=True)


def model(folder: Path, files: Sequence[Path]) -> Path:
    """A model folder of the published size, untrained, with a profile of some of the files."""
    torch.manual_seed(0)
    method = DDAD(DDADSettings(preset="cxr", scores=("rec", "intra", "inter")))
    scale = dict.fromkeys(method.scores, 1.0)
    facts = [facts_of(image_of(read_picture(path, ReadSettings()), path.name)) for path in files[:DIFFERENT]]
    settings = method.settings.model_dump(mode="json")
    card = Card(method="ddad", settings=settings, seed=0, trained_on={}, map_scale=scale, profile=profile_of(facts))
    save(folder, method.eval(), card)
    return folder


def decode(path: Path) -> float:
    """What is compared with."""
    image = pydicom.dcmread(path)
    syntax = image.file_meta.TransferSyntaxUID
    decoder = get_decoder(syntax)
    plugin = next((name for name in _PLUGINS.get(str(syntax), ()) if name in decoder.available_plugins), "")
    return float(decoder.as_array(image, index=0, decoding_plugin=plugin)[0][0, 0])


def processor() -> float:
    """Seconds of processor time of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def decoding(files: Sequence[Path], workers: int, spent: list[float]) -> float:
    """Files per second of pure decoding, on ``workers`` forked processes; ``spent`` gets the CPU seconds of a file."""
    start, before = time.perf_counter(), processor()
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for _ in pool.imap_unordered(decode, files, chunksize=2):
            pass
        pool.close()
        pool.join()
    spent.append((processor() - before) / len(files))
    return len(files) / (time.perf_counter() - start)


def scoring(folder: Path, trained: Path, count: int, more: Sequence[str], spent: list[float]) -> float:
    """Files per second of the command; ``spent`` gets the CPU seconds of a file."""
    out = folder.parent / f"out-{time.monotonic_ns()}"
    command = ["score", str(trained), str(folder), "--out", str(out), *more]
    said = io.StringIO()
    start, before = time.perf_counter(), processor()
    with contextlib.redirect_stdout(said):
        code = app(command, standalone_mode=False)
    seconds = time.perf_counter() - start
    spent.append((processor() - before) / count)
    if code or f"{count} scored, 0 skipped, 0 failed" not in said.getvalue():
        sys.exit(f"not all {count} files were scored: {said.getvalue()}")
    shutil.rmtree(out)
    return count / seconds


def measure(syntax: str, asked: argparse.Namespace, room: Path) -> dict[str, object]:
    """One line of the table."""
    folder = room / syntax
    files = radiographs(folder, syntax, asked.files)
    trained = model(room / f"model-{syntax}", files)
    more = ["--workers", str(asked.workers), "--heatmaps", asked.heatmaps]
    spent: dict[str, list[float]] = {"decoding": [], "medad": []}
    turns: dict[str, Callable[[], float]] = {
        "decoding": partial(decoding, files, asked.workers, spent["decoding"]),
        "medad": partial(scoring, folder, trained, len(files), more, spent["medad"]),
    }
    found = in_turns(turns, asked.rounds)
    row = {
        "syntax": syntax,
        **{name: statistics.median(rates) for name, rates in found.items()},
        "ratio": ratio(found["medad"], found["decoding"]),
        **{f"{name}_cpu_ms": 1000 * statistics.median(seconds[1:]) for name, seconds in spent.items()},
    }
    row["cpu_ratio"] = row["decoding_cpu_ms"] / row["medad_cpu_ms"]
    print(
        f"{SYNTAXES[syntax].name:36} decoding {row['decoding']:6.1f} files/s   medad score {row['medad']:6.1f}   "
        f"{row['ratio']:.2f} of decoding   CPU {row['decoding_cpu_ms']:.0f} and {row['medad_cpu_ms']:.0f} ms a file: "
        f"{row['cpu_ratio']:.2f}",
        flush=True,
    )
    shutil.rmtree(folder)
    return row


def main() -> None:
    """Time, print, and end with 1 under the target."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=240)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--syntax", default=",".join(SYNTAXES))
    options.add_argument("--heatmaps", choices=["none", "all"], default="none", help="draw one for each file as well")
    options.add_argument("--least", type=float, default=0.7)
    asked = options.parse_args()
    print(machine(torch.get_num_threads(), busy=False), f"{asked.files} files, {asked.workers} workers", sep=", ")
    with tempfile.TemporaryDirectory() as room:
        rows = [measure(syntax, asked, Path(room)) for syntax in asked.syntax.split(",")]
    print(json.dumps({"files": asked.files, "workers": asked.workers, "rows": rows}))
    if any(row["ratio"] < asked.least for row in rows if row["syntax"] != "plain"):
        sys.exit(f"under {asked.least} of pure decoding")


if __name__ == "__main__":
    main()
