"""A slice whose pixels are bad, and a good copy of it elsewhere: the series is scored with the copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making import gray_image, write_dicom
from helpers.runs import score

from medad.io import UnreadableImage
from medad.model import load
from medad.scoring import ScoreSettings, score_folder
from medad.scoring.index.bad_slices import failure
from medad.types import Study


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A series of four slices, with a copy of each in a folder that comes after."""
    rng = np.random.default_rng(4)
    for index in range(4):
        tags = {"SeriesInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.9", "ImagePositionPatient": [0, 0, index]}
        write_dicom(tmp_path / "box" / f"{index}", gray_image(rng), **tags)
        (tmp_path / "box" / "copies").mkdir(exist_ok=True)
        shutil.copy(tmp_path / "box" / f"{index}", tmp_path / "box" / "copies")
    return tmp_path / "box"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-900])


def rows(table: Path) -> pd.DataFrame:
    return pd.read_csv(table, keep_default_na=False, dtype={"file": str}).set_index("file")


@pytest.mark.parametrize("bad", [("1",), ("0",), ("0", "2", "copies/1")], ids=["one", "the first", "two, and a copy"])
def test_the_series_is_scored_with_the_copy_of_a_bad_slice(
    model: Path, box: Path, tmp_path: Path, bad: tuple[str, ...]
) -> None:
    whole = rows(score(model, box, tmp_path / "whole")).loc["0"]
    for name in bad:
        cut(box / name)
    table = rows(score(model, box, tmp_path / "out"))
    series = table.loc["copies/0" if "0" in bad else "0"]
    assert (series["status"], series["files"], series["slices"]) == ("scored", 4, 4)
    assert (series["rec"], series["case"]) == (whole["rec"], whole["case"])
    broken = table.loc[[name for name in bad if "/" not in name]]
    assert set(broken["status"]) == {"failed"}
    assert broken["reason"].str.contains("of pixels it claims (truncated)", regex=False).all()
    assert table["files"].sum() == 8
    copies = table.drop(index=[series.name, *broken.index, *(["copies/1"] if "copies/1" in bad else [])])
    assert copies["reason"].str.startswith("it is another copy of an instance of the same series, ").all()
    assert table.loc[table["status"] == "failed"].index.isin(bad).all()


def test_what_was_exchanged_stays_so_and_is_tried_again_when_asked(model: Path, box: Path, tmp_path: Path) -> None:
    cut(box / "0")
    first = score(model, box, tmp_path / "out").read_bytes()
    assert (
        score_folder(load(model), box, tmp_path / "out", ScoreSettings(workers=1)).kept == len(first.splitlines()) - 1
    )
    assert score(model, box, tmp_path / "out", retry_failed=True).read_bytes() == first
    names = {path.name for path in (tmp_path / "out" / "thumbnails").rglob("*.jpg")}
    assert len(names) == 1


def test_without_a_copy_the_series_fails_and_names_its_bad_slice(model: Path, box: Path, tmp_path: Path) -> None:
    shutil.rmtree(box / "copies")
    cut(box / "2")
    (row,) = rows(score(model, box, tmp_path / "out")).to_dict("records")
    assert (row["status"], row["files"]) == ("failed", 4)
    assert row["reason"].startswith("its slice 2: it holds ")


def test_a_slice_that_is_good_by_itself_is_not_to_blame(box: Path) -> None:
    """What is wrong with a series as a whole names its first file."""
    study = Study("0", tuple(box / str(index) for index in range(4)))
    error = UnreadableImage(study.files[0], "mixed-series", "its slices do not fit")
    entry = failure(study, error, lambda _: None)
    assert entry.reason.startswith("its slices do not fit (mixed-series)")
    assert entry.facts == {}
