"""Run one experiment (dataset, method, settings, seed): train a model, score the test set, compute metrics."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medad.data.calibration import hold_out
from medad.data.loading import Loader
from medad.data.profile import profile_of
from medad.data.training_marks import write_marks
from medad.evaluation.findings import finding_tags
from medad.experiments.acquisition import covariate_of, test_separation, training_acquisition
from medad.experiments.draw_results import DRAWN, draw_results
from medad.experiments.duplicate_images import check_copies
from medad.experiments.normal_reference import (
    check_calibration,
    check_choices,
    choose,
    describe_normals,
    normal_thresholds,
)
from medad.experiments.plan import Experiment
from medad.experiments.result_rows import result_rows
from medad.experiments.test_scores import score_test, write_cases
from medad.files import write_json, write_records
from medad.methods.base import Method
from medad.model import Card, load, save
from medad.model_files import CARD
from medad.registry import methods, providers
from medad.results.finished import charted
from medad.results.names import CASES, RESULT
from medad.results.row import AboutData, ResultRow
from medad.splits import Pools, compose, unlabeled_counts
from medad.tracking import Run
from medad.training.history import LossHistory
from medad.types import Split, Study, TrainingSet


def train_model(
    experiment: Experiment, data: TrainingSet, loader: Loader, folder: Path, run: Run, source: dict[str, Any]
) -> tuple[Method, Card]:
    """Train on ``data``, write the model to ``folder`` and return method and card; ``source`` goes onto the card.

    The fraction ``calibration`` of the known normals is held out of the training and used to compute the thresholds.
    Checkpoints for an interrupted training lie in ``folder``/checkpoints until the model is written.

    Raises:
        SplitError: too few normals are held out for any requested specificity.
        ConfigError: the evaluation names a score or a map that the method does not have.
    """
    run.data(source["dataset"], source["digest"], "training", counts(data))
    learned, held_out = hold_out(data, experiment.settings.calibration, experiment.seed)
    check_calibration(len(held_out), experiment.evaluation)
    method: Method = methods.get(experiment.method)(experiment.settings)
    check_choices([method], experiment.evaluation)
    acquisition, notes = training_acquisition(data, loader)
    run.tags({"medad.acquisition": "; ".join(notes) or "not measured: too few studies"})
    checkpoints = folder / "checkpoints"
    rng = torch.Generator().manual_seed(experiment.seed)
    history = LossHistory(run.metric)
    method.fit(learned, loader, track=history, rng=rng, keep=checkpoints)
    method.eval()
    normals = describe_normals(method, learned.normal, held_out, loader, experiment.evaluation)
    card = Card(
        method=experiment.method,
        settings=experiment.settings.model_dump(mode="json"),
        seed=experiment.seed,
        trained_on=source,
        profile=profile_of(loader.facts(learned.normal)),  # available since the normals have been read
        loss_fall=history.falls(),
        acquisition=acquisition,
        acquisition_notes=notes,
        plugins=providers(experiment.method, experiment.settings),
        **normals,
    )
    every = (*data.normal, *data.unlabeled)
    write_marks(folder, loader.on_disk(every), source["dataset"], loader.pixels(every))
    save(folder, method, card)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return method, card


def run_experiment(experiment: Experiment, pools: Pools, loader: Loader, folder: Path, run: Run) -> list[ResultRow]:
    """Train, score the test set and evaluate; write everything to ``folder`` and return a row for each score."""
    began = time.monotonic()
    split = compose(pools, experiment.settings.anomaly_rate, experiment.settings.unlabeled)
    source = {"dataset": experiment.dataset, "split": pools.kind, "digest": pools.digest(), **counts(split.training)}
    run.params({**experiment.describe(), **source, "test": len(split.test)})
    model_folder = folder / "model"
    method, card = _earlier_model(experiment, loader, model_folder, source) or train_model(
        experiment, split.training, loader, model_folder, run, source
    )
    about = _about(experiment, pools, split)
    run.model(folder / "model", experiment.title)
    run.data(experiment.dataset, pools.digest(), "testing", {"studies": len(split.test)})
    return evaluate_model(
        experiment,
        method,
        card,
        split.test,
        loader,
        folder,
        run,
        about=about,
        began=began,
        learned_normal=split.training.normal,
    )


def _about(experiment: Experiment, pools: Pools, split: Split) -> AboutData:
    """Return the columns on the data; a method that learns from normals alone used no unlabeled studies."""
    settings = experiment.settings
    rate = None if pools.unknown else settings.anomaly_rate
    if not settings.uses_archive:
        return AboutData(split=pools.kind, n_unlabeled=0, n_unlabeled_abnormal=0, anomaly_rate=rate)
    if pools.unknown:
        count = len(split.training.unlabeled)
        return AboutData(split=pools.kind, n_unlabeled=count, n_unlabeled_abnormal=None, anomaly_rate=rate)
    normal, abnormal = unlabeled_counts(pools, settings.anomaly_rate, settings.unlabeled)
    return AboutData(split=pools.kind, n_unlabeled=normal + abnormal, n_unlabeled_abnormal=abnormal, anomaly_rate=rate)


def _earlier_model(
    experiment: Experiment, loader: Loader, folder: Path, source: dict[str, Any]
) -> tuple[Method, Card] | None:
    """Return the model of the same experiment in ``folder``, with thresholds for the current evaluation, or None."""
    if not (folder / CARD).is_file():
        return None
    model = load(folder, loader.device)
    settings = experiment.settings.model_dump(mode="json")
    if model.card.settings != settings or model.card.trained_on != source:
        return None
    calibration = {name: np.array(values) for name, values in model.card.calibration.items()}
    thresholds = {name: normal_thresholds(values, experiment.evaluation) for name, values in calibration.items()}
    card = choose(model.card.model_copy(update={"thresholds": thresholds}), model.method, experiment.evaluation)
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
    about: AboutData,
    began: float,
    learned_normal: Sequence[Study] = (),
) -> list[ResultRow]:
    """Score labeled ``studies`` with a trained method, evaluate, and write cases, pictures and rows to ``folder``.

    Nothing is fitted. ``about`` holds the row entries about split and unlabeled set; ``began`` is the start time of the
    work on this result from ``time.monotonic``, in seconds. ``learned_normal`` are the normals that the method learned
    from, if they are at hand: their acquisition is compared with that of the test normals.

    Returns:
        The result rows, one for each score.
    """
    card = choose(card, method, experiment.evaluation)
    test = score_test(method, studies, loader, card.map_threshold)
    check_copies(folder / "model", test.studies, loader, about["split"])
    covariate = covariate_of(card.acquisition, test.studies, loader)
    test_normal = [study for study in test.studies if study.label == 0]
    drift = test_separation(learned_normal, test_normal, loader)
    rows = result_rows(experiment, method, card, test, about, time.monotonic() - began, covariate)
    write_cases(folder / CASES, test, covariate)
    draw_results(experiment, method, card, test, loader, folder)
    for row in rows:
        for name, value in charted(row).items():
            run.metric(f"{experiment.dataset}/{row['score']}/{name}", value)
    write_records(folder / "results.csv", rows)
    run.tags(finding_tags(rows))
    run.table(folder / "results.csv")
    run.table(folder / CASES, without=("id",))
    for name in DRAWN:
        run.artifact(folder / name)
    _write_result(folder / RESULT, experiment, rows, [] if drift is None else [drift.text])
    return rows


def counts(data: TrainingSet) -> dict[str, int]:
    """Return the numbers of normal and unlabeled training studies."""
    return {"normal": len(data.normal), "unlabeled": len(data.unlabeled)}


def _write_result(path: Path, experiment: Experiment, rows: list[ResultRow], acquisition: list[str]) -> None:
    evaluation = experiment.evaluation.model_dump(mode="json")
    content = {"experiment": experiment.describe(), "evaluation": evaluation, "rows": rows, "acquisition": acquisition}
    write_json(path, content, durable=True)
