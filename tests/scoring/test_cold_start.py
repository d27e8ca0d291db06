"""What 'medad score' imports for one file: PyTorch, and the reader of the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from helpers.making import gray_image, write_dicom

CODE = """
import sys
from medad.cli import main
from medad.scoring.index.ledger import Ledger
write = Ledger.write
def noted(ledger, entries):
    write(ledger, entries)
    names = "monai mlflow ignite sklearn pandas matplotlib scipy torch._dynamo nibabel SimpleITK".split()
    print("HEAVY", sorted(name for name in names if name in sys.modules), "TORCH", "torch" in sys.modules)
Ledger.write = noted
main()
"""


def test_the_first_row_of_a_dicom_file_needs_no_monai(model: Path, tmp_path: Path) -> None:
    write_dicom(tmp_path / "IM1", gray_image(np.random.default_rng(0)), Modality="DX")
    command = [sys.executable, "-c", CODE, "score", str(model), str(tmp_path / "IM1"), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "HEAVY [] TORCH True" in done.stdout, done.stdout
    assert "1 scored" in done.stdout
