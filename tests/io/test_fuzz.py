"""Damaged files are read or refused: no hang, no crash, no other exception."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers import fuzz, fuzz_originals


@pytest.mark.parametrize("count", [150, pytest.param(5_000, marks=pytest.mark.slow)])
def test_damaged_files_are_read_or_refused(tmp_path: Path, count: int) -> None:
    outcomes, findings = fuzz.run(tmp_path, count, seed=2026)
    assert findings == []
    assert outcomes.total() == count
    for outcome in fuzz.OUTCOMES:
        total = sum(number for (_, name), number in outcomes.items() if name == outcome)
        assert total > count / 20, "damage that nothing or everything survives"


def test_every_kind_of_file_is_damaged_and_the_seed_decides() -> None:
    known = fuzz.originals()
    forms = Counter(fuzz_originals.format_of(name) for name in known)
    assert set(forms) == {"DICOM", "NIfTI", "MGH", "PNG", "TIFF", "JPEG", "BMP", "NRRD", "MetaImage"}
    assert forms["DICOM"] > 60
    for name in ("CT_small.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "Nifti1Imageint16.nii.gz", "4d.nii"):
        assert name in known
    contents = list(known.values())
    for content in contents:
        copies = [fuzz.damaged(content, np.random.default_rng([1, seed]), contents) for seed in (0, 0, 1)]
        assert copies[0] == copies[1]
        assert copies[0] != copies[2]


def test_the_originals_are_read_and_a_png_is_damaged_below_its_checksums(tmp_path: Path) -> None:
    known = fuzz.originals()
    for name, content in known.items():
        if fuzz_originals.format_of(name) not in ("DICOM", "NIfTI"):
            (tmp_path / name).write_bytes(content)
            assert fuzz.attempt(tmp_path / name) in (("refused",) if name == "pages.tif" else ("read",)), name
    png = known["gray.png"]
    assert fuzz_originals.with_checksums(png) == png
    damaged = png[:16] + b"\0\0\1\0" + png[20:]  # the width
    mended = fuzz_originals.with_checksums(damaged)
    assert mended[:29] == damaged[:29]
    assert mended[29:33] != damaged[29:33]


def test_what_it_searches_for_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that raises, dies or hangs is a finding, and the next file is read by a new worker."""

    def reads(path: Path) -> str:
        number = int(path.stem)
        if number == 1:
            os.abort()
        if number == 2:
            time.sleep(60)
        return "ValueError: x" if number == 3 else "read"

    monkeypatch.setattr(fuzz, "attempt", reads)
    monkeypatch.setattr(fuzz, "LIMIT", 3.0)
    monkeypatch.setattr(fuzz, "originals", lambda: {f"{number}.dcm": bytes(20) for number in range(5)})
    outcomes, findings = fuzz.run(tmp_path, 5, seed=0, keep=tmp_path)
    assert dict(outcomes) == {("DICOM", "read"): 2, ("DICOM", "finding"): 3}
    assert [one.name for one in findings] == ["1.dcm", "2.dcm", "3.dcm"]
    assert "died" in findings[0].what
    assert "silent" in findings[1].what
    assert findings[2].what == "ValueError: x"
    assert len(list(tmp_path.glob("00000?_*"))) == 3
