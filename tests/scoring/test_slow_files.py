"""Files that hang in `score`: the others are scored meanwhile, and a share of links is not followed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import score
from PIL import Image

from medad.io import pool_jobs
from medad.scoring.index import file_info
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A picture that will hang, before ten others."""
    (tmp_path / "box").mkdir()
    rng = np.random.default_rng(0)
    for name in ("0", *"abcdefghij"):
        Image.fromarray(gray_image(rng)).save(tmp_path / "box" / name, format="PNG")
    return tmp_path / "box"


@pytest.mark.parametrize("step", ["_looked", "digest_of"])
def test_while_a_file_hangs_before_it_is_read_the_others_are_scored(
    model: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    if step == "digest_of":
        for name in ("0", "a"):
            Image.fromarray(gray_image(np.random.default_rng(1))).save(box / name, format="BMP")
    events: list[str] = []
    function = getattr(file_info, step)
    entered = Index.looked if step == "_looked" else Index.digested

    def hangs(path, *more):  # type: ignore[no-untyped-def]
        if path.name == "0":
            time.sleep(600)
        return function(path, *more)

    def noted(index, found, *more):  # type: ignore[no-untyped-def]
        entered(index, found, *more)
        if "0" in ([one.path.name for one in found] if step == "_looked" else [found.name]):
            events.append("the file that hangs")

    write = Ledger.write

    def written(ledger, entries):  # type: ignore[no-untyped-def]
        write(ledger, entries)
        events.extend(study_id for study_id, _ in entries)

    monkeypatch.setattr(pool_jobs, "SLOW", 0.5)
    monkeypatch.setattr(
        f"medad.scoring.{'index.file_info' if step == '_looked' else 'engine.job_worker'}.{step}", hangs
    )
    monkeypatch.setattr(Index, "looked" if step == "_looked" else "digested", noted)
    monkeypatch.setattr(Ledger, "write", written)
    table = score(model, box, tmp_path / "out", timeout=8.0).read_text()
    if step == "_looked":
        assert sorted(events[:10]) == list("abcdefghij")
        assert events[10:] == ["the file that hangs"]
        assert '0,failed,"reading it took longer than 8 s (timeout), twice"' in table
    else:
        assert events.index("the file that hangs") == 11
        assert table.count(",scored,") == 11


def test_a_link_out_of_the_folder_is_a_row_that_says_so(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_dicom(tmp_path / "box" / "a", gray_image(rng), Modality="DX")
    write_dicom(tmp_path / "elsewhere" / "secret", gray_image(rng), Modality="DX")
    (tmp_path / "box" / "b").symlink_to(tmp_path / "elsewhere" / "secret")
    out = tmp_path / "out"
    assert 'b,skipped,"it is a link that leads out of the folder' in score(model, tmp_path / "box", out).read_text()
    assert score(model, tmp_path / "box", out, follow_links=True).read_text().count(",scored,") == 2
    assert score(model, tmp_path / "box", out).read_text().count(",scored,") == 1


def test_nobody_can_try_patient_numbers_with_a_ledger_and_the_uids(model: Path, tmp_path: Path) -> None:
    """The hashes of two processes have nothing in common; slices that arrive later still find their series."""
    rng = np.random.default_rng(0)
    numbers = []
    for count in (2, 4):
        for index in range(count - 2, count):
            tags = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.9", "ImagePositionPatient": [0, 0, index]}
            write_dicom(tmp_path / "box" / f"{index}", gray_image(rng), **tags)
        table = score(model, tmp_path / "box", tmp_path / "out").read_text()
        assert table.count(",scored,") == 1
        assert f"0,scored,,{count},{count}," in table
        ledger = sqlite3.connect(tmp_path / "out" / "ledger.sqlite")
        numbers.append({row[0] for row in ledger.execute("SELECT series FROM files UNION SELECT instance FROM files")})
        ledger.close()
    assert len(numbers[1]) == 5
    assert not numbers[0] & numbers[1], "slice 0 and 1 are hashed with another secret"
