"""One experiment: dataset x method x settings x seed -> trained model, scores of the test set, metrics."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from medad.data.calibration import hold_out
from medad.data.loading import Loader
from medad.data.profile import profile_of
from medad.data.seen import write_marks
from medad.data.splits import Pools, compose, unlabeled_counts
from medad.evaluation.collecting import TestScores, panel_cases, picture, score_test, write_cases
from medad.evaluation.normals import check_calibration, describe_normals, normal_thresholds
from medad.evaluation.ranking import judge
from medad.finished import RESULT, charted
from medad.methods._method import Method
from medad.model import Card, load, save
from medad.model_files import CARD
from medad.outputs import cases as pictures
from medad.outputs.pictures import save_panel
from medad.outputs.plots import save_curves, save_histograms
from medad.plan import Experiment
from medad.registry import methods
from medad.testset import score_study
from medad.tracking import Run
from medad.types import Study, TrainingSet

CASES = "cases.csv"
PANEL, HISTOGRAMS, CURVES = "panel.png", "histograms.png", "curves.png"


def train_model(
    experiment: Experiment, data: TrainingSet, loader: Loader, folder: Path, run: Run, source: dict[str, Any]
) -> tuple[Method, Card]:
    """Train on ``data`` and write the model to ``folder``; ``source`` says on the card where the data come from.

    The share ``calibration`` of the known normals is held out: no part of the training sees it, and the thresholds are
    made from it. What a killed training needs to go on lies in ``folder``/checkpoints until the model is written.
    """
    run.data(source["dataset"], source["digest"], "training", counts(data))
    learned, held_out = hold_out(data, experiment.settings.calibration, experiment.seed)
    check_calibration(len(held_out), experiment.evaluation)
    method: Method = methods.get(experiment.method)(experiment.settings)
    checkpoints = folder / "checkpoints"
    rng = torch.Generator().manual_seed(experiment.seed)
    method.fit(learned, loader, track=run.metric, rng=rng, keep=checkpoints)
    method.eval()
    normals = describe_normals(method, learned.normal, held_out, loader, experiment.evaluation)
    card = Card(
        method=experiment.method,
        settings=experiment.settings.model_dump(mode="json"),
        seed=experiment.seed,
        trained_on=source,
        profile=profile_of(loader.facts(learned.normal)),  # known since the normals were read
        **normals,
    )
    write_marks(folder, (*data.normal, *data.unlabeled), source["dataset"])
    save(folder, method, card)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return method, card


def run_experiment(
    experiment: Experiment, pools: Pools, loader: Loader, folder: Path, run: Run
) -> list[dict[str, Any]]:
    """Train, score the test set, evaluate; write all of it below ``folder``. The result rows, one for each score."""
    began = time.monotonic()
    split = compose(pools, experiment.settings.anomaly_rate, experiment.settings.unlabeled)
    source = {"dataset": experiment.dataset, "split": pools.kind, "digest": pools.digest(), **counts(split.training)}
    run.params({**experiment.describe(), **source, "test": len(split.test)})
    made = (experiment, split.training, loader, folder / "model", run, source)
    method, card = _trained(experiment, loader, folder / "model", source) or train_model(*made)
    normal, abnormal = unlabeled_counts(pools, experiment.settings.anomaly_rate, experiment.settings.unlabeled)
    known = {"n_unlabeled": normal + abnormal, "n_unlabeled_abnormal": abnormal}
    unknown = {"n_unlabeled": len(split.training.unlabeled), "n_unlabeled_abnormal": None, "anomaly_rate": None}
    about = {"split": pools.kind, **(unknown if pools.unknown else known)}
    run.model(folder / "model", experiment.title)
    run.data(experiment.dataset, pools.digest(), "testing", {"studies": len(split.test)})
    return evaluate_model(experiment, method, card, split.test, loader, folder, run, about=about, began=began)


def _trained(
    experiment: Experiment, loader: Loader, folder: Path, source: dict[str, Any]
) -> tuple[Method, Card] | None:
    """The model that the same experiment left in ``folder``, with its thresholds as they are asked for now."""
    if not (folder / CARD).is_file():
        return None
    model = load(folder, loader.device)
    settings = experiment.settings.model_dump(mode="json")
    if model.card.settings != settings or model.card.trained_on != source:
        return None
    calibration = {name: np.array(values) for name, values in model.card.calibration.items()}
    thresholds = {name: normal_thresholds(values, experiment.evaluation) for name, values in calibration.items()}
    card = model.card.model_copy(update={"thresholds": thresholds})
    save(folder, model.method, card)
    return model.method, card


def evaluate_model(
    experiment: Experiment,
    method: Method,
    card: Card,
    studies: Sequence[Study],
    loader: Loader,
    folder: Path,
    run: Run,
    *,
    about: Mapping[str, Any],
    began: float,
) -> list[dict[str, Any]]:
    """Score labeled ``studies`` with a trained method, evaluate, write cases, pictures and rows to ``folder``.

    Nothing is fitted. ``about`` is what the rows say of the split and the unlabeled set; ``began`` is when the work
    on this result started, by ``time.monotonic``.
    """
    test = score_test(method, studies, loader, card.map_threshold)
    rows = _rows(experiment, method, card, test, about, time.monotonic() - began)
    write_cases(folder / CASES, test)
    _draw(experiment, method, card, test, loader, folder)
    for row in rows:
        for name, value in charted(row).items():
            run.metric(f"{experiment.dataset}/{row['score']}/{name}", value)
    pd.DataFrame(rows).to_csv(folder / "results.csv", index=False)
    run.table(folder / "results.csv")
    run.table(folder / CASES, without=("id",))
    run.artifact(folder / PANEL)
    run.artifact(folder / HISTOGRAMS)
    run.artifact(folder / CURVES)
    _write_result(folder / RESULT, experiment, rows)
    return rows


def counts(data: TrainingSet) -> dict[str, int]:
    """How many studies a method learns from."""
    return {"normal": len(data.normal), "unlabeled": len(data.unlabeled)}


def _rows(
    experiment: Experiment, method: Method, card: Card, test: TestScores, about: Mapping[str, Any], seconds: float
) -> list[dict[str, Any]]:
    settings, evaluation = experiment.settings, experiment.evaluation
    patients = [study.patient for study in test.studies]
    return [
        {
            "dataset": experiment.dataset,
            "method": experiment.method,
            "variant": experiment.variant,
            "network": experiment.network,
            "score": name,
            "seed": experiment.seed,
            **judge(test.labels, members, patients, card.thresholds.get(name, {}), evaluation),
            **test.localization.row(name, evaluation.confidence),
            "anomaly_rate": settings.anomaly_rate,
            **about,
            "epochs": getattr(settings, "epochs", 0),
            "seconds": round(seconds, 1),
            "title": method.scores[name],
        }
        for name, members in test.members.items()
    ]


def _draw(experiment: Experiment, method: Method, card: Card, test: TestScores, loader: Loader, folder: Path) -> None:
    """Panel, histograms and pictures of single cases; the few studies that are drawn are scored once more."""
    title = f"{experiment.dataset}, {method.title} {experiment.network}, seed {experiment.seed}"
    ranks = "by rank in their class: 100% is where the maps find the mask best, or without masks the highest score"
    save_panel(folder / PANEL, list(panel_cases(method, test, loader)), card.map_scale, f"{title}\n{ranks}")
    save_histograms(folder / HISTOGRAMS, test.labels, test.scores, title)
    save_curves(folder / CURVES, test.labels, test.scores, title)
    pictures.save_cases(
        folder / pictures.FOLDER,
        [study.id for study in test.studies],
        test.labels,
        test.scores,
        lambda index, by: picture(score_study(method, test.studies[index], loader), by, loader),
        card.map_scale,
    )


def _write_result(path: Path, experiment: Experiment, rows: list[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    evaluation = experiment.evaluation.model_dump(mode="json")
    content = {"experiment": experiment.describe(), "evaluation": evaluation, "rows": rows}
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
