"""A share that drops out costs nothing: what cannot be asked stays as it is, and only what is gone is forgotten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.making import gray_image
from helpers.runs import TABLE, score
from PIL import Image

import medad.scoring.index.scan_folder
import medad.scoring.run
from medad.model import load
from medad.scoring import ScoreSettings, ScoringError, score_folder
from medad.scoring.index.ledger import Ledger
from medad.scoring.index.studies import Index


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Three pictures, two of them in a folder of their own, and a broken one."""
    rng = np.random.default_rng(3)
    for name in ("a.png", "share/b.png", "share/deep/c.png"):
        (tmp_path / "box" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gray_image(rng)).save(tmp_path / "box" / name)
    (tmp_path / "box" / "share" / "cut.png").write_bytes((tmp_path / "box" / "a.png").read_bytes()[:200])
    return tmp_path / "box"


def everything(out: Path) -> dict[str, bytes]:
    """The table and the pictures."""
    found = [out / TABLE, *out.glob("heatmaps/*/*"), *out.glob("thumbnails/*/*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


def kept(model: Path, folder: Path, out: Path, **settings: Any) -> int:
    return score_folder(load(model), folder, out, ScoreSettings(workers=1, **settings)).kept


def closed(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Nobody may open these folders; root, who may open every folder, included."""
    scandir = os.scandir

    def refused(path: Any) -> Any:
        if Path(path) in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)


@pytest.mark.parametrize("retry", [False, True])
def test_a_root_that_cannot_be_opened_stops_the_run_and_changes_nothing(
    model: Path, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retry: bool
) -> None:
    score(model, inbox, tmp_path / "out", heatmaps="all")
    before = everything(tmp_path / "out")
    with monkeypatch.context() as patch:
        closed(patch, inbox)
        with pytest.raises(ScoringError, match=r"cannot be read \(no-permission\): its share may be away"):
            score(model, inbox, tmp_path / "out", heatmaps="all", retry_failed=retry)
    assert everything(tmp_path / "out") == before
    assert kept(model, inbox, tmp_path / "out", heatmaps="all") == 4


def test_a_root_that_goes_away_while_it_is_watched_is_waited_for(
    model: Path, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    score(model, inbox, out)
    before = everything(out)
    looks: list[dict[str, object]] = []

    def sleep(_: float) -> None:
        looks.append(everything(out))
        if len(looks) == 1:
            inbox.rename(elsewhere)
        elif len(looks) == 3:
            elsewhere.rename(inbox)
        elif len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(medad.scoring.run.time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        score(model, inbox, out, watch=1.0)
    assert looks == [before] * 4
    assert [one for one in caplog.messages if "its share may be away" in one] == [
        f"waiting: {inbox} cannot be read (missing): its share may be away. All results stay as they are, and the same "
        "command goes on once it is back"
    ]
    assert kept(model, inbox, out) == 4


def test_an_empty_mount_point_is_refused(model: Path, inbox: Path, tmp_path: Path) -> None:
    score(model, inbox, tmp_path / "out")
    before = everything(tmp_path / "out")
    inbox.rename(tmp_path / "unmounted")
    inbox.mkdir()
    (inbox / ".lock").write_text("")
    with pytest.raises(ScoringError, match=r"holds no file, and held 4 before.*--restart"):
        score(model, inbox, tmp_path / "out")
    assert everything(tmp_path / "out") == before
    summary = score_folder(load(model), inbox, tmp_path / "out", ScoreSettings(workers=1), restart=True)
    assert summary.counts == {"skipped": 1}


def test_what_lies_below_a_closed_folder_stays_and_the_folder_says_why(
    model: Path, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = score(model, inbox, tmp_path / "out", heatmaps="all")
    before = everything(tmp_path / "out")
    (inbox / "a.png").unlink()
    with monkeypatch.context() as patch:
        closed(patch, inbox / "share")
        after = score(model, inbox, tmp_path / "out", heatmaps="all").read_text().splitlines()
    lines = before[TABLE].decode().splitlines()
    assert [line for line in after if ",share," not in line] == [line for line in lines if ",a.png," not in line]
    (own,) = (line for line in after if ",share," in line)
    assert "failed,it cannot be opened (no-permission)" in own
    assert set(everything(tmp_path / "out")) < set(before)
    assert kept(model, inbox, tmp_path / "out", heatmaps="all") == 3
    assert table.read_text().splitlines() == [line for line in lines if ",a.png," not in line]


def test_a_folder_that_was_deleted_loses_its_rows(model: Path, inbox: Path, tmp_path: Path) -> None:
    score(model, inbox, tmp_path / "out")
    shutil.rmtree(inbox / "share")
    table = score(model, inbox, tmp_path / "out")
    assert len(table.read_text().splitlines()) == 1 + 1


def walked(index: Index, tmp_path: Path) -> dict[bytes, tuple[int, str | None]]:
    index.walk(tmp_path / "out")
    index.ledger.database.execute("UPDATE files SET look = 'image' WHERE look IS NULL")
    return {
        name: (size, look) for name, size, look in index.ledger.database.execute("SELECT path, size, look FROM files")
    }


def test_a_file_that_cannot_be_asked_keeps_its_row(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "out" / "ledger.sqlite", {})
    index = Index(ledger, inbox)
    first = walked(index, tmp_path)
    listed = list(medad.scoring.index.scan_folder.below(inbox))
    shutil.rmtree(inbox / "share")

    def stale(*_: object, **__: object) -> Iterator[object]:
        return iter(listed)

    with monkeypatch.context() as patch:
        patch.setattr(medad.scoring.index.scan_folder, "below", stale)
        assert walked(index, tmp_path) == first
    assert set(walked(index, tmp_path)) == {b"a.png"}
    ledger.close()


def test_what_only_a_walk_that_was_stopped_has_seen_is_forgotten(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "out" / "ledger.sqlite", {})

    def broken(*_: object, **__: object) -> Iterator[object]:
        yield inbox / "share" / "b.png"
        yield inbox / "a.png"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(medad.scoring.index.scan_folder, "below", broken)
        patch.setattr(medad.scoring.index.scan_folder, "PAGE", 1)
        with pytest.raises(KeyboardInterrupt):
            walked(Index(ledger, inbox), tmp_path)
    shutil.rmtree(inbox / "share")
    assert set(walked(Index(ledger, inbox), tmp_path)) == {b"a.png"}
    ledger.close()
