"""`medad train` on folders of one's own and `medad score` on a mixed folder, in process."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from helpers.making import FAST, gray_image, write_dicom
from PIL import Image
from typer.testing import CliRunner, Result

from medad.cli import app
from medad.model import ModelError, load
from medad.scoring.index.ledger import Ledger

SCORES = ["single", "rec", "intra", "inter", "r_intra", "r_dual"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained by the command on folders of DICOM."""
    root = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(3)
    for folder, count in (("normal", 8), ("archive", 6)):
        for index in range(count):
            write_dicom(root / folder / f"case{index}" / "IM0001", gray_image(rng, folder == "archive" and index > 3))
    fast = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]
    folders = ("--normal", root / "normal", "--unlabeled", root / "archive")
    done = run("train", "ddad", *folders, "--out", root / "out", *fast)
    assert done.exit_code == 0, done.output
    return root / "out" / "model"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A DICOM, a NIfTI, a PNG, a text file and a truncated DICOM."""
    folder = tmp_path / "inbox"
    rng = np.random.default_rng(11)
    image = gray_image(rng)
    write_dicom(folder / "deep" / "er" / "IM0001", image)
    volume = np.stack([gray_image(rng) for _ in range(3)], axis=-1).astype(np.int16)
    nib.save(nib.Nifti1Image(volume, np.diag([-1.0, -1.0, 2.0, 1.0])), folder / "volume.nii.gz")
    Image.fromarray(image).save(folder / "picture.png")
    (folder / "note.txt").write_text("hello")
    write_dicom(folder / "cut.dcm", image)
    whole = (folder / "cut.dcm").read_bytes()
    (folder / "cut.dcm").write_bytes(whole[: len(whole) - 900])
    return folder


def test_three_scored_one_skipped_one_failed(model: Path, inbox: Path, tmp_path: Path) -> None:
    done = run("score", model, inbox, "--out", tmp_path / "out", "--heatmaps", "all")
    assert done.exit_code == 1
    assert "3 scored, 1 skipped, 1 failed" in done.output
    assert "cut.dcm" in done.output
    table = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("file")
    assert table["status"].to_dict() == {
        "cut.dcm": "failed",
        "deep/er/IM0001": "scored",
        "note.txt": "skipped",
        "picture.png": "scored",
        "volume.nii.gz": "scored",
    }
    assert "truncated" in table.loc["cut.dcm", "reason"]
    assert "text" in table.loc["note.txt", "reason"]
    scored = table[table["status"] == "scored"]
    assert np.isfinite(scored[SCORES].to_numpy(float)).all()
    assert table.loc[["cut.dcm", "note.txt"], SCORES].isna().all(axis=None)
    assert table.loc["volume.nii.gz", "slices"] == 3
    for name, rows in (("deep/er/IM0001", 40), ("picture.png", 40), ("volume.nii.gz", 40)):
        with Image.open(tmp_path / "out" / table.loc[name, "heatmap"]) as picture:
            assert picture.size == (240, rows + 36), "the source's grid, widened and lengthened by the color bar"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inbox", "out"]


def test_a_score_does_not_depend_on_the_company(model: Path, inbox: Path, tmp_path: Path) -> None:
    run("score", model, inbox, "--out", tmp_path / "all")
    done = run("score", model, inbox / "picture.png", "--out", tmp_path / "alone")
    assert done.exit_code == 0, done.output
    together = pd.read_csv(tmp_path / "all" / "scores.csv").set_index("file").loc["picture.png", SCORES]
    alone = pd.read_csv(tmp_path / "alone" / "scores.csv").set_index("file").loc["picture.png", SCORES]
    assert together.to_list() == alone.to_list()


def test_the_same_picture_scores_alike_from_png_and_nifti(model: Path, tmp_path: Path) -> None:
    """Rows and columns must mean the same in every format."""
    image = gray_image(np.random.default_rng(5), abnormal=True)
    image[0, 0], image[0, 1] = 0, 255  # so that min-max and the 8-bit range agree
    (tmp_path / "in").mkdir()
    Image.fromarray(image).save(tmp_path / "in" / "a.png")
    write_dicom(tmp_path / "in" / "b.dcm", image)
    volume = image.T[:, :, None].astype(np.int16)  # x to the left, y to posterior: an axial slice as displayed
    nib.save(nib.Nifti1Image(volume, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / "in" / "c.nii")
    assert run("score", model, tmp_path / "in", "--out", tmp_path / "out").exit_code == 0
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")[SCORES].to_numpy()
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-4)
    np.testing.assert_allclose(scores[2], scores[0], rtol=1e-4)


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_scoring_goes_on_where_it_stopped(
    model: Path, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int, code: int
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    assert run("score", model, inbox, "--out", tmp_path / "whole").exit_code == 1
    write, written = Ledger.write, []

    def interrupted(ledger, entries):  # type: ignore[no-untyped-def]
        write(ledger, entries)
        written.extend(study_id for study_id, _ in entries)
        if len(written) == 2:
            os.kill(os.getpid(), stop)

    monkeypatch.setattr(Ledger, "write", interrupted)
    assert run("score", model, inbox, "--out", tmp_path / "out").exit_code == code
    assert len((tmp_path / "out" / "scores.csv").read_text().splitlines()) == 1 + 2 + 1  # the note needs no reading
    assert run("score", model, inbox, "--out", tmp_path / "out").exit_code == 1
    assert sorted(written) == ["cut.dcm", "deep/er/IM0001", "picture.png", "volume.nii.gz"]
    third = run("score", model, inbox, "--out", tmp_path / "out")
    assert "5 of these kept" in third.output
    assert len(written) == 4
    assert (tmp_path / "out" / "scores.csv").read_bytes() == (tmp_path / "whole" / "scores.csv").read_bytes()


def test_changed_and_removed_files_are_noticed(model: Path, inbox: Path, tmp_path: Path) -> None:
    run("score", model, inbox, "--out", tmp_path / "out")
    (inbox / "note.txt").unlink()
    Image.fromarray(gray_image(np.random.default_rng(99), abnormal=True)).save(inbox / "picture.png")
    before = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("file")
    done = run("score", model, inbox, "--out", tmp_path / "out")
    assert "3 of these kept" in done.output
    after = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("file")
    assert "note.txt" not in after.index
    assert after.loc["picture.png", "rec"] != before.loc["picture.png", "rec"]


def test_an_output_folder_of_another_model_is_refused(model: Path, inbox: Path, tmp_path: Path) -> None:
    run("score", model, inbox, "--out", tmp_path / "out")
    other = shutil.copytree(model, tmp_path / "other")
    card = (other / "model.json").read_text()
    (other / "model.json").write_text(card.replace('"seed": 0', '"seed": 1'))
    done = run("score", other, inbox, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "another model" in done.output
    assert run("score", other, inbox, "--out", tmp_path / "out", "--restart").exit_code == 1


def test_training_again_is_a_no_op_and_never_overwrites(model: Path) -> None:
    root = model.parent.parent
    fast = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]
    folders = ("--normal", root / "normal", "--unlabeled", root / "archive", "--out", root / "out", *fast)
    stamp = (model / "weights.safetensors").stat().st_mtime_ns
    assert run("train", "ddad", *folders).exit_code == 0
    assert (model / "weights.safetensors").stat().st_mtime_ns == stamp
    done = run("train", "ddad", *folders, "--seed", "1")
    assert done.exit_code == 2
    assert "choose a new --out" in done.output


def test_a_model_without_unlabeled_studies(model: Path, tmp_path: Path) -> None:
    root = model.parent.parent
    fast = [part for key, value in FAST.items() for part in ("--set", f"{key}={value}")]
    options = ("train", "ddad", "--normal", root / "normal", "--out", tmp_path / "m", "--no-tracking", *fast)
    refused = run(*options)
    assert refused.exit_code == 2
    assert "give some, or ask only for" in refused.output
    assert run(*options, "--set", "scores=[rec,intra]").exit_code == 0
    assert list(load(tmp_path / "m" / "model").method.scores) == ["rec", "intra"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "model.json").unlink(), "no model folder"),
        (lambda folder: (folder / "model.json").write_text("{"), "not a model card"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"pickle?"), "not readable as safetensors"),
        (
            lambda folder: (folder / "model.json").write_text(
                (folder / "model.json").read_text().replace('"members": 2', '"members": 3')
            ),
            "tensors do not fit the settings",
        ),
        (
            lambda folder: (folder / "model.json").write_text(
                (folder / "model.json").read_text().replace('"method": "ddad"', '"method": "os.system"')
            ),
            "unknown method",
        ),
    ],
)
def test_a_damaged_model_is_refused_with_a_reason(model: Path, tmp_path: Path, damage, said: str) -> None:  # type: ignore[no-untyped-def]
    copy = shutil.copytree(model, tmp_path / "copy")
    damage(copy)
    with pytest.raises(ModelError, match=said):
        load(copy)
