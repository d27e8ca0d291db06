"""A slice whose pixels are bad, and a good copy of it elsewhere: the series is scored with the copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from making import gray_image, write_dicom
from runs import TABLE, score, stop_after_a_row

import medad.progress
from medad.io import UnreadableImage
from medad.model import load
from medad.scoring import ScoreSettings, score_folder
from medad.scoring.spares import failure
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


@pytest.fixture
def unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies are compared as if their pixels were all good: what is bad in one shows only when its series is read."""
    monkeypatch.setattr("medad.scoring.looks.content_of", lambda path: path.name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-900])


def rows(table: Path) -> pd.DataFrame:
    return pd.read_csv(table, keep_default_na=False, dtype={"file": str}).set_index("file")


@pytest.mark.parametrize("noticed", [True, False])
@pytest.mark.parametrize("bad", [("1",), ("0",), ("0", "2", "copies/1")], ids=["one", "the first", "two, and a copy"])
def test_the_series_is_scored_with_the_copy_of_a_bad_slice(
    model: Path, box: Path, tmp_path: Path, bad: tuple[str, ...], noticed: bool, request: pytest.FixtureRequest
) -> None:
    if not noticed:
        request.getfixturevalue("unnoticed")
    whole = rows(score(model, box, tmp_path / "whole")).loc["0"]
    for name in bad:
        cut(box / name)
    table = rows(score(model, box, tmp_path / "out"))
    series = table.loc["copies/0" if "0" in bad else "0"]
    assert (series["status"], series["files"], series["slices"]) == ("scored", 4, 4)
    assert (series["rec"], series["study"]) == (whole["rec"], whole["study"])
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


@pytest.mark.usefixtures("unnoticed")
def test_a_run_that_was_stopped_after_the_failure_ends_the_same(
    model: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(box / "1")
    whole = score(model, box, tmp_path / "whole").read_bytes()
    with monkeypatch.context() as patch:
        stop_after_a_row(patch)
        with pytest.raises(KeyboardInterrupt):
            score(model, box, tmp_path / "out")
    assert "0,failed" in (tmp_path / "out" / TABLE).read_text()
    kept = score_folder(load(model), box, tmp_path / "out", ScoreSettings(workers=1)).kept
    assert kept == 3, "the copies of the good slices"
    assert (tmp_path / "out" / TABLE).read_bytes() == whole


@pytest.mark.usefixtures("unnoticed")
def test_progress_ends_at_its_total_though_the_series_is_done_twice(
    model: Path, box: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medad.progress, "SECONDS_BETWEEN_LINES", 0.0)
    caplog.set_level("INFO", logger="medad.progress")
    cut(box / "1")
    score(model, box, tmp_path / "out")
    said = [one.split()[2:4] for one in caplog.messages if 'task="score"' in one]
    assert said == [["done=1", "total=1"], ["done=0", "total=1"], ["done=1", "total=1"]]


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
