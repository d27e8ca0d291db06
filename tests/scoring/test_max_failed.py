"""`--max-failed`: which share of all images has failed, in whatever order they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import score
from PIL import Image

from medad.scoring import ScoringError

COUNT = 120


def folder(box: Path, bad: list[int], kind: str = "pixels") -> Path:
    """Pictures, of which some cannot be read; ``kind``: their pixels, or already their headers."""
    box.mkdir()
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        path = box / f"{index:03}.png"
        Image.fromarray(gray_image(rng)).save(path)
        if index in bad:
            path.write_bytes(path.read_bytes()[:300] if kind == "pixels" else b"no picture at all")
    return box


ORDERS = {
    "first": list(range(36)),
    "last": list(range(COUNT - 36, COUNT)),
    "among the others": list(range(0, COUNT, 3))[:36],
}


@pytest.mark.parametrize("kind", ["pixels", "headers"])
@pytest.mark.parametrize("bad", ORDERS.values(), ids=ORDERS)
def test_thirty_percent_of_bad_files_do_not_stop_a_run_that_may_lose_a_third(
    model: Path, tmp_path: Path, bad: list[int], kind: str
) -> None:
    table = score(model, folder(tmp_path / "box", bad, kind), tmp_path / "out", max_failed=0.33).read_text()
    assert (table.count(",scored,"), table.count(",failed,")) == (COUNT - 36, 36)


@pytest.mark.parametrize("bad", ORDERS.values(), ids=ORDERS)
def test_a_run_stops_as_soon_as_the_share_of_all_is_lost(model: Path, tmp_path: Path, bad: list[int]) -> None:
    box = folder(tmp_path / "box", bad)
    with pytest.raises(ScoringError, match=f"stopped: 25 of {COUNT} files failed.*The first: {bad[0]:03}.png: "):
        score(model, box, tmp_path / "out", max_failed=0.2)
    with pytest.raises(ScoringError, match=f"stopped: 25 of {COUNT}"):
        score(model, box, tmp_path / "out", max_failed=0.2)
    assert score(model, box, tmp_path / "out").read_text().count(",failed,") == 36


def test_what_is_no_image_does_not_count(model: Path, tmp_path: Path) -> None:
    box = folder(tmp_path / "box", list(range(70)))
    for index in range(200):
        (box / f"{index}.txt").write_text("a note")
    with pytest.raises(ScoringError, match=f"stopped: 61 of {COUNT} files failed"):
        score(model, box, tmp_path / "out")


def test_copies_of_a_broken_file_count_as_it_does(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    box = tmp_path / "box"
    for index in range(COUNT):
        write_dicom(box / f"{index:03}", gray_image(rng), Modality="DX")
    cut = (box / "000").read_bytes()[:-500]
    for index in range(70):
        (box / f"copy{index}").write_bytes(cut)
    with pytest.raises(ScoringError, match=r"stopped: 20 of 190 files failed.*The first: copy0: .*truncated"):
        score(model, box, tmp_path / "out", max_failed=0.1)
    table = score(model, box, tmp_path / "out", max_failed=0.5).read_text()
    assert (table.count(",scored,"), table.count(",failed,")) == (COUNT, 70), "one that shows nothing is no copy of 000"
    (box / "000").unlink()
    with pytest.raises(ScoringError, match=f"stopped: 70 of {COUNT + 69} files failed"):
        score(model, box, tmp_path / "out", max_failed=0.1)
