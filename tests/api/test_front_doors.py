"""One model, one number: Python, the command's engine and the MLflow model give equal scores, p-values and flags."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.making import gray_image
from helpers.runs import mixed
from PIL import Image

import medad
from medad.api.inputs import InputError
from medad.config import Evaluation
from medad.data.loading import Loader
from medad.evaluation.ranking import judge
from medad.experiments.score_studies import score_studies
from medad.scoring.mlflow_model import ServedModel
from medad.scoring.study_scorer import single_study
from medad.types import Scored


def test_every_door_gives_the_same_numbers(model: Path, tmp_path: Path) -> None:
    folder = mixed(tmp_path / "folder", radiographs=4)
    (folder / "again.png").unlink()  # a copy, which only a folder has
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(folder / "empty.png")
    summary = medad.score_folder(model, folder, tmp_path / "out", workers=1, heatmaps="none")
    table = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("file")
    assert summary.counts["scored"] >= 7
    files = [name for name in table.index if not name.startswith("half")]  # a series has a folder of its own
    paths = [folder / name for name in files]
    results = medad.load(model).score(paths)
    served = ServedModel(model).predict(pd.DataFrame({"path": [str(path) for path in paths]}))
    (p_value,) = (name for name in table if name.endswith(("_p", "p_value")))
    for name, result, (_, row) in zip(files, results, served.iterrows(), strict=True):
        expected = table.loc[name]
        assert result.status == row["status"]
        assert (result.status == "scored") == (expected["status"] == "scored"), name
        if result.status == "scored":
            assert result.scores["rec"] == row["rec"] == expected["rec"], name
            assert result.p_value == row["p_value"] == expected[p_value], name
            assert result.flagged == row["flagged"] == (str(expected["flagged_by"]) != "nan"), name
        else:
            assert math.isnan(row["rec"]), name
            assert row["error"] == result.reason
    assert {"scored", "skipped", "failed"} <= {result.status for result in results}


def test_calibration_scores_are_those_of_the_fixed_blocks(model: Path, tmp_path: Path) -> None:
    """However studies are batched for calibration, each gets the bits that it gets when it is scored alone."""
    rng = np.random.default_rng(5)
    for place in range(19):
        Image.fromarray(gray_image(rng)).save(tmp_path / f"{place}.png")
    detector = medad.load(model)
    studies = [single_study(path) for path in sorted(tmp_path.iterdir())]
    scored = score_studies(detector.model.method, studies, Loader(detector.model.method.settings))
    together = [float(study.members("rec").mean()) for study in scored]
    assert together == [detector.score(study, force=True).score for study in studies]


def test_a_score_that_is_not_finite_is_a_failure_at_every_door(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(gray_image(np.random.default_rng(6))).save(tmp_path / "x.png")

    def nan(self: object, images: torch.Tensor) -> dict[str, Scored]:
        score = torch.full((len(images),), float("nan"))
        return {"rec": Scored(score, images, score[:, None])}

    monkeypatch.setattr("medad.methods.pca.PCA.score", nan)
    row = ServedModel(model).predict(pd.DataFrame({"path": [str(tmp_path / "x.png")]})).iloc[0]
    assert (row["status"], row["error"]) == ("failed", "the model gives no finite score for it (non-finite)")
    (result,) = medad.load(model).score([tmp_path / "x.png"])
    assert (result.status, result.scores) == ("failed", {})
    assert medad.score_folder(model, tmp_path / "x.png", tmp_path / "out", workers=1).counts["failed"] == 1


def test_models_that_were_registered_by_an_earlier_version_are_loaded(model: Path) -> None:
    """MLflow calls the loader by the module path that was recorded when the model was registered."""
    for path in ("medad.serving", "medad.scoring.mlflow_model"):
        assert isinstance(importlib.import_module(path)._load_pyfunc(str(model)), ServedModel)


def test_judging_is_that_of_the_bench() -> None:
    rng = np.random.default_rng(7)
    labels = np.arange(40) % 2
    scores, other = rng.normal(labels, 1), rng.normal(0.3 * labels, 1)
    patients = [f"p{place // 2}" for place in range(40)]
    evaluation = Evaluation(resamples=200)
    expected = judge(labels, scores[:, None], patients, {}, evaluation)
    assert medad.evaluate(labels, scores, patients, resamples=200) == expected
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    for metric in ("auc", "ap"):
        difference = medad.compare(labels, scores, other, patients, metric=metric, resamples=200)  # type: ignore[arg-type]
        assert difference.first == pytest.approx(expected[metric])
        assert difference.low < difference.difference < difference.high
    assert expected["auc"] == pytest.approx(np.mean(pairs))
    for wrong in ([0, 1, 2], [0, 1]):
        with pytest.raises(InputError):
            medad.evaluate(wrong, [1.0, 2.0, 3.0])
