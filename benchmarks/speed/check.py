"""Seconds of ``medad data check`` on a manifest of many small files: half DICOM, half PNG, all different.

python benchmarks/speed/check.py [--files 10000] [--side 64] [--workers 2]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from PIL import Image

from medad.csv_tables import write_csv
from medad.data.check.check import check
from medad.data.check.targets import subjects


def make(folder: Path, count: int, side: int) -> Path:
    """The manifest: 60 % known normals, 20 % unlabeled, 20 % test."""
    rng = np.random.default_rng(0)
    dicom = pydicom.dcmread(Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm")
    dicom.Rows = dicom.Columns = side
    rows = []
    for index in range(count):
        image = rng.integers(0, 256, (side, side), dtype=np.uint8)
        name = f"{index:06}.{'dcm' if index % 2 else 'png'}"
        if index % 2:
            dicom.SOPInstanceUID = dicom.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
            dicom.PixelData = image.astype(np.uint16).tobytes()
            dicom.save_as(folder / name, enforce_file_format=True)
        else:
            Image.fromarray(image).save(folder / name)
        role = "test" if index % 5 == 0 else "unlabeled" if index % 5 == 1 else "normal"
        rows.append((name, role, int(index % 10 == 0) if role == "test" else "", index))
    write_csv(folder / "manifest.csv", ("file", "role", "label", "patient"), rows)
    return folder / "manifest.csv"


def main() -> None:
    """Make, check, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        manifest = make(Path(folder), options.files, options.side)
        load, start = os.getloadavg()[0], time.perf_counter()
        found = [check(subject, options.workers) for subject in subjects(manifest)]
        seconds = time.perf_counter() - start
    defects = sum(len(one.defects) for one in found)
    print(
        f"{options.files} files of {options.side} x {options.side} checked in {seconds:.1f} s, {defects} defects "
        f"({options.workers} workers, {os.cpu_count()} cores, load average before {load:.1f})"
    )


if __name__ == "__main__":
    main()
