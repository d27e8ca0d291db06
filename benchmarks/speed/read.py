"""Files per second of medad's reader beside plain ``pydicom.dcmread(path).pixel_array``, in one run.

    python benchmarks/speed/read.py [--files 200] [--rounds 5] [--folder FOLDER]

Without --folder, files are made: 512 x 512, 12 of 16 bits, uncompressed, rescaled, placed. The two are timed in
turns on the same files, after one round that is not counted; the median round counts. ``read_image`` adds MONAI's
MetaTensor to ``read_picture``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data

from medad.io import ReadSettings, read_image, read_picture


def make(folder: Path, count: int) -> list[Path]:
    """Write ``count`` CT slices under the header of pydicom's own CT_small.dcm, as long as a scanner's."""
    rng = np.random.default_rng(0)
    files = []
    image = pydicom.dcmread(Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm")
    image.Rows = image.Columns = 512
    image.PixelRepresentation, image.BitsAllocated, image.BitsStored, image.HighBit = 0, 16, 12, 11
    del image.PixelPaddingValue
    for index in range(count):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        image.ImagePositionPatient = [0, 0, index]
        image.PixelData = rng.integers(0, 4096, (512, 512), dtype=np.uint16).tobytes()
        files.append(folder / f"{index:05}.dcm")
        image.save_as(files[-1], enforce_file_format=True)
    return files


def plain(path: Path) -> object:
    """What is compared with."""
    return pydicom.dcmread(path).pixel_array


def picture(path: Path) -> object:
    """Our decoding: checks, limits, values, geometry."""
    return read_picture(path, ReadSettings())


def rate(read: Callable[[Path], object], files: list[Path]) -> float:
    """Files per second of one pass."""
    start = time.perf_counter()
    for path in files:
        read(path)
    return len(files) / (time.perf_counter() - start)


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        files = sorted(asked.folder.rglob("*.dcm")) if asked.folder else make(Path(made), asked.files)
        readers = {"pydicom": plain, "read_picture": picture, "read_image": read_image}
        rounds: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(asked.rounds + 1):
            for name, read in readers.items():
                rounds[name].append(rate(read, files))
    speed = {name: statistics.median(rates[1:]) for name, rates in rounds.items()}
    ratios = {
        name: statistics.median(a / b for a, b in zip(rates[1:], rounds["pydicom"][1:], strict=True))
        for name, rates in rounds.items()
    }
    for name in readers:
        print(f"{name:14} {speed[name]:8.1f} files/s   {ratios[name]:.2f} of pydicom")
    print(json.dumps({"files": len(files), "files_per_second": speed, "ratio": ratios}))


if __name__ == "__main__":
    main()
