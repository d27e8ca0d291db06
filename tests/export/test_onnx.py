"""An exported ONNX file scores as the model does, without PyTorch, and says what is wrong with a foreign one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
import pytest
import torch
from helpers.exporting import assert_equal_rows, rows_of
from PIL import Image

from medad.export.description import KEY, parse_description
from medad.export.names import ExportError
from medad.export.onnx_model import OnnxModel
from medad.model import load

SCORES = ["single", "rec"]
WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder

class Refusing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "monai"}:
            raise ImportError(f"{name} is not to be imported here")

sys.meta_path.insert(0, Refusing())  # in the workers too: they are forked
from medad.cli import main
sys.argv = ["medad", *sys.argv[1:]]
main()
"""


def score_without_torch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, "score", *map(str, arguments), "--workers", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})


def changed(source: Path, target: Path, **metadata: str | None) -> Path:
    """A copy of an ONNX file with other metadata; None removes a key."""
    model = onnx.load(source)
    entries = {entry.key: entry.value for entry in model.metadata_props} | metadata
    onnx.helper.set_model_props(model, {key: value for key, value in entries.items() if value is not None})
    onnx.save(model, target)
    return target


def assert_equal_pictures(expected: Path, found: Path) -> None:
    """Compare all pictures of two output folders: pixels within rounding, maps of volumes on equal voxels."""
    names = [path.relative_to(expected) for path in expected.rglob("*") if path.suffix in (".png", ".jpg", ".gz")]
    assert names
    for name in names:
        if name.suffix == ".gz":
            ours, theirs = nib.load(expected / name), nib.load(found / name)
            np.testing.assert_array_equal(theirs.affine, ours.affine)
            np.testing.assert_allclose(theirs.get_fdata(), ours.get_fdata(), rtol=1e-4, atol=1e-5)
        else:
            pair = [np.asarray(Image.open(folder / name), np.int16) for folder in (expected, found)]
            # A rounding of the map or the picture moves a pixel by a level or two; JPEG spreads that a little.
            assert np.abs(pair[0] - pair[1]).max() <= (2 if name.suffix == ".png" else 8), name


@pytest.mark.parametrize("count", [1, 16, 37])
def test_scores_members_and_maps(place: Path, count: int) -> None:
    images = np.random.default_rng(count).uniform(-1, 1, (count, 1, 32, 32)).astype(np.float32)
    expected, found = load(place / "model").method.score(torch.from_numpy(images)), OnnxModel(place).score(images)
    assert list(found) == SCORES
    for name, result in expected.items():
        np.testing.assert_allclose(found[name].score, result.score.numpy(), rtol=1e-5)
        np.testing.assert_allclose(found[name].members, result.members.numpy(), rtol=1e-5)
        np.testing.assert_allclose(found[name].anomaly_map, result.anomaly_map.numpy(), rtol=1e-4, atol=1e-6)


def test_a_score_does_not_depend_on_the_batch(place: Path) -> None:
    model, images = OnnxModel(place), np.random.default_rng(0).uniform(-1, 1, (21, 1, 32, 32)).astype(np.float32)
    whole = model.score(images)
    for index in (0, 20):
        alone = model.score(images[index : index + 1])
        assert all(np.array_equal(alone[name].score[0], whole[name].score[index]) for name in SCORES)


def test_the_command_scores_a_folder_without_pytorch(place: Path, tmp_path: Path) -> None:
    done = score_without_torch(place / "onnx" / "model.onnx", place / "box", "--out", tmp_path, "--heatmaps", "all")
    assert done.returncode == 1, done.stderr  # one file is cut off
    expected, found = rows_of(place / "scores" / "scores.csv"), rows_of(tmp_path / "scores.csv")
    assert {file: row["status"] for file, row in found.items()} == {f: row["status"] for f, row in expected.items()}
    assert {file: row["reason"] for file, row in found.items()} == {f: row["reason"] for f, row in expected.items()}
    assert assert_equal_rows(expected, found, SCORES) >= 6
    assert {row["flag_threshold"] for row in found.values()} >= {"true", "false"}
    assert_equal_pictures(place / "scores", tmp_path)
    again = score_without_torch(place, place / "box", "--out", tmp_path, "--heatmaps", "all")
    assert f"({len(found)} of these kept from before)" in again.stdout, again.stdout + again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "cuda"], "scored on the CPU"),
        (["--track"], "belongs to a model folder"),
        (["--score", "nothing"], "no score 'nothing'"),
        (["--engine", "ray"], "leave out --engine ray"),
    ],
)
def test_what_an_export_cannot_do_is_said(place: Path, tmp_path: Path, options: list[str], message: str) -> None:
    from typer.testing import CliRunner

    from medad.cli import app

    done = CliRunner().invoke(app, ["score", str(place), str(place / "box"), "--out", str(tmp_path), *options])
    assert done.exit_code == 2
    assert message in done.output


def test_the_description_is_whole(place: Path) -> None:
    description = OnnxModel(place).description
    assert description.card == load(place / "model").card
    copy = (place / "onnx" / "description.json").read_text(encoding="utf-8")
    assert parse_description(copy, "copy") == description


def test_files_that_are_no_export(place: Path, tmp_path: Path) -> None:
    file = place / "onnx" / "model.onnx"
    text = OnnxModel(place).description.model_dump_json()
    (tmp_path / "text.onnx").write_text("hello")
    cases = {
        tmp_path / "none.onnx": "there is no such file",
        tmp_path / "text.onnx": "ONNX Runtime can load",
        changed(file, tmp_path / "plain.onnx", **{KEY: None}): "without the description",
        changed(file, tmp_path / "list.onnx", **{KEY: "[]"}): "not a JSON object",
        changed(file, tmp_path / "new.onnx", **{KEY: text.replace('"format":1', '"format":9', 1)}): "in format 9",
        changed(file, tmp_path / "size.onnx", **{KEY: text.replace('"size":32', '"size":64')}): "its graph takes",
        changed(file, tmp_path / "nan.onnx", **{KEY: text.replace('"block":16', '"block":NaN')}): "NaN",
        changed(
            file, tmp_path / "score.onnx", **{KEY: text.replace('"primary":"rec"', '"primary":"x"')}
        ): "primary='x'",
    }
    for path, message in cases.items():
        with pytest.raises(ExportError, match=message):
            OnnxModel(path)
