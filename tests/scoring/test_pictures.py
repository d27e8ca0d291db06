"""The pictures in the output folder are those of the table, whatever was flagged, scored or stopped before."""

from __future__ import annotations

import io
import logging
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.making import gray_image
from helpers.runs import TABLE, drawn, score, started
from PIL import Image

from medad.data.preprocessing import Preprocessing
from medad.io import UnreadableImage
from medad.model import load
from medad.scoring import ScoreSettings, score_folder
from medad.scoring.engine import worker
from medad.scoring.index.ledger import Ledger
from medad.scoring.pictures import Pictures

ALL, NONE = -1e9, 1e9  # thresholds


def same(model: Path, box: Path, out: Path, fresh: Path, **settings: object) -> None:
    """The output folder against that of a run that was the only one."""
    expected = score(model, box, fresh, **settings).read_bytes()
    assert (out / TABLE).read_bytes() == expected
    assert drawn(out) == drawn(fresh)


@pytest.fixture(scope="module")
def few(undisturbed: bytes) -> float:
    """A threshold that a third of the studies of ``box`` is above, the volume and the one that has a copy not."""
    table = pd.read_csv(io.BytesIO(undisturbed), index_col="file")["rec"]
    level = float(table.quantile(0.7))
    assert table["volume.nii.gz"] < level
    assert table["a.png"] < level
    return level


def test_with_another_rule_rows_and_pictures_are_those_of_a_fresh_run(
    model: Path, box: Path, few: float, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(model, box, out, score="rec", threshold=few)
    before = drawn(out)
    for step, level in enumerate((ALL, few, NONE)):
        score(model, box, out, score="rec", threshold=level)
        same(model, box, out, tmp_path / f"fresh{step}", score="rec", threshold=level)
        if level == ALL:
            assert any(name.endswith(".nii.gz") for name in set(drawn(out)) - set(before))
    assert not list((out / "heatmaps").rglob("*.*"))


def test_what_is_scored_again_is_not_counted_as_kept(model: Path, tmp_path: Path) -> None:
    box, out = folder_of_copies(tmp_path), tmp_path / "out"
    score(model, box, out, threshold=NONE)
    scored_again = score_folder(load(model), box, out, ScoreSettings(workers=1, threshold=ALL))
    assert scored_again.kept == 0
    only_undrawn = score_folder(load(model), box, out, ScoreSettings(workers=1, threshold=NONE))
    assert only_undrawn.kept == 2
    assert len(drawn(out)) == 1


def folder_of_copies(root: Path) -> Path:
    (root / "box").mkdir()
    Image.fromarray(gray_image(np.random.default_rng(5))).save(root / "box" / "a.png")
    shutil.copy(root / "box" / "a.png", root / "box" / "b.png")
    return root / "box"


def test_a_copy_takes_the_place_of_one_that_is_to_be_drawn_and_cannot_be_read_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, out, read = folder_of_copies(tmp_path), tmp_path / "out", Preprocessing.read

    def away(self, study):  # type: ignore[no-untyped-def]
        if study.id == "a.png":
            raise UnreadableImage(study.files[0], "missing", "the share is away", "try again")
        return read(self, study)

    score(model, box, out, threshold=NONE)
    monkeypatch.setattr(Preprocessing, "read", away)
    table = pd.read_csv(score(model, box, out, threshold=ALL), index_col="file")
    assert table["status"].to_dict() == {"a.png": "failed", "b.png": "scored"}
    same(model, box, out, tmp_path / "fresh", threshold=ALL)


@pytest.mark.parametrize(("deleted", "again"), [(False, False), (True, True)], ids=["before", "after"])
def test_killed_as_a_picture_is_deleted_none_is_left_and_none_is_missing(
    model: Path, box: Path, few: float, tmp_path: Path, deleted: bool, again: bool
) -> None:
    """Under the rule that was stopped, or under the one before it ``again``."""

    def deadly() -> None:
        delete = Pictures._delete

        def killed(self, names):  # type: ignore[no-untyped-def]
            if deleted:
                delete(self, names)
            os.kill(os.getpid(), signal.SIGKILL)

        Pictures._delete = killed  # type: ignore[method-assign]

    out, rule = tmp_path / "out", {"score": "rec", "threshold": ALL if again else few}
    score(model, box, out, score="rec", threshold=ALL)
    process = started(model, box, out, deadly, score="rec", threshold=few)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    score(model, box, out, **rule)
    same(model, box, out, tmp_path / "fresh", **rule)


def test_a_picture_whose_row_was_never_written_is_deleted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, out = folder_of_copies(tmp_path), tmp_path / "out"

    def stopped(ledger, entries):  # type: ignore[no-untyped-def]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            score(model, box, out, threshold=ALL)
    assert [name for name in drawn(out) if name.startswith("heatmaps")]
    score(model, box, out, threshold=NONE)
    same(model, box, out, tmp_path / "fresh", threshold=NONE)


def test_pictures_of_what_vanished_or_changed_are_deleted(model: Path, box: Path, tmp_path: Path) -> None:
    inbox, out = shutil.copytree(box, tmp_path / "box"), tmp_path / "out"
    score(model, inbox, out, heatmaps="all")
    assert [name for name in drawn(out) if name.endswith(".nii.gz")]
    for name in ("volume.nii.gz", "half0/s0", "day0/IM0000"):
        (inbox / name).unlink()
    (inbox / "day1" / "IM0004").write_text("hello")
    Image.fromarray(gray_image(np.random.default_rng(9))).save(inbox / "day2" / "IM0002", format="PNG")
    score(model, inbox, out, heatmaps="all")
    same(model, inbox, out, tmp_path / "fresh", heatmaps="all")


def test_pictures_of_one_that_fails_in_drawing_are_deleted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_):  # type: ignore[no-untyped-def]
        raise ValueError

    monkeypatch.setattr(worker, "save_map", broken)
    box, out = folder_of_copies(tmp_path), tmp_path / "out"
    assert "scored" not in score(model, box, out, heatmaps="all").read_text()
    assert drawn(out) == {}


def test_starting_anew_forgets_the_pictures_too_and_nothing_else(model: Path, tmp_path: Path) -> None:
    box, out = folder_of_copies(tmp_path), tmp_path / "out"
    score(model, box, out, heatmaps="all")
    (box / "b.png").rename(box / "c.png")
    (box / "a.png").unlink()
    (out / "heatmaps" / "mine.png").write_bytes(b"")
    score_folder(load(model), box, out, ScoreSettings(workers=1, heatmaps="none"), restart=True)
    (thumbnail, mine) = sorted(drawn(out), reverse=True)
    assert thumbnail.startswith("thumbnails/")
    assert mine == "heatmaps/mine.png"


def test_a_model_that_knows_no_normals_flags_nothing_and_says_so_once(
    model: Path, box: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "medad"):
        score(model, box, tmp_path / "out")
        score(model, box, tmp_path / "given", threshold=NONE)
        score(model, box, tmp_path / "all", heatmaps="all")
    first, drawing_all = [one.getMessage() for one in caplog.records if one.name == "medad.scoring.folder"]
    assert "no case will be flagged, and no heatmap drawn (--heatmaps all draws everything)" in first
    assert "Give --threshold, or train" in first
    assert "heatmap" not in drawing_all, "a remedy that is already in use"
    assert {name.split("/")[0] for name in drawn(tmp_path / "out")} == {"thumbnails"}
