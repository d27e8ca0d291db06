"""One experiment: dataset x method x settings x seed -> trained model, scores of the test set, metrics."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from medad.data.loading import Loader
from medad.data.profile import profile_of
from medad.data.splits import Pools, compose, unlabeled_counts
from medad.evaluation import rank
from medad.methods._method import Method
from medad.model import Card, save
from medad.outputs.pictures import Case, save_panel
from medad.outputs.plots import save_histograms
from medad.plan import Experiment
from medad.registry import methods
from medad.testset import ScoredSet, score_set
from medad.tracking import Run
from medad.types import TrainingSet

RESULT, PANEL, HISTOGRAMS = "result.json", "panel.png", "histograms.png"
SCALE_STUDIES = 64  # training normals that the color scale of the maps is taken from
SCALE_QUANTILE = 0.999
PANEL_QUANTILES = (1.0, 0.9, 0.75, 0.5, 0.0)


def finished(folder: Path) -> list[dict[str, Any]] | None:
    """The result rows in ``folder``, or None if the experiment has not finished."""
    if not (folder / RESULT).is_file():
        return None
    rows: list[dict[str, Any]] = json.loads((folder / RESULT).read_text(encoding="utf-8"))["rows"]
    return rows


def train_model(
    experiment: Experiment, data: TrainingSet, loader: Loader, folder: Path, run: Run, source: dict[str, Any]
) -> tuple[Method, Card]:
    """Train on ``data`` and write the model to ``folder``; ``source`` says on the card where the data come from.

    What a killed training needs to go on lies in ``folder``/checkpoints until the model is written.
    """
    method: Method = methods.get(experiment.method)(experiment.settings)
    checkpoints = folder / "checkpoints"
    rng = torch.Generator().manual_seed(experiment.seed)
    method.fit(data, loader, track=run.metric, rng=rng, keep=checkpoints)
    method.eval()
    card = Card(
        method=experiment.method,
        settings=experiment.settings.model_dump(mode="json"),
        seed=experiment.seed,
        trained_on=source,
        map_scale=_map_scale(score_set(method, data.normal[:SCALE_STUDIES], loader)),
        profile=profile_of(loader.facts(data.normal)),
    )
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
    method, card = train_model(experiment, split.training, loader, folder / "model", run, source)
    scored = score_set(method, split.test, loader)
    rows = _rows(experiment, method, pools, scored, time.monotonic() - began)
    _write_cases(folder / "cases.csv", scored)
    title = f"{experiment.dataset}, {method.title} {experiment.network}, seed {experiment.seed}"
    ranks = "by rank in their class: 100% is where the maps find the mask best, or without masks the highest score"
    save_panel(folder / PANEL, list(_panel_cases(scored, loader)), card.map_scale, f"{title}\n{ranks}")
    save_histograms(folder / HISTOGRAMS, *_judged(scored), title)
    _write_result(folder / RESULT, experiment, rows)
    for row in rows:
        run.metric(f"{experiment.dataset}/{row['score']}/auc", row["auc"])
        run.metric(f"{experiment.dataset}/{row['score']}/ap", row["ap"])
    run.table("results", pd.DataFrame(rows))
    run.artifact(folder / PANEL)
    run.artifact(folder / HISTOGRAMS)
    return rows


def counts(data: TrainingSet) -> dict[str, int]:
    """How many studies a method learns from."""
    return {"normal": len(data.normal), "unlabeled": len(data.unlabeled)}


def _map_scale(scored: ScoredSet) -> dict[str, float]:
    """For each score, the value that 0.1 % of the pixels of training normals exceed: one scale for all pictures."""
    return {name: float(np.quantile(one.anomaly_map.numpy(), SCALE_QUANTILE)) for name, one in scored.scores.items()}


def _judged(scored: ScoredSet) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Labels and scores of the studies, each (S,)."""
    labels = np.array([study.label for study in scored.studies])
    return labels, {name: scored.members(name).mean(axis=1) for name in scored.scores}


def _rows(
    experiment: Experiment, method: Method, pools: Pools, scored: ScoredSet, seconds: float
) -> list[dict[str, Any]]:
    labels, _ = _judged(scored)
    settings = experiment.settings
    normal, abnormal = unlabeled_counts(pools, settings.anomaly_rate, settings.unlabeled)
    return [
        {
            "dataset": experiment.dataset,
            "method": experiment.method,
            "network": experiment.network,
            "score": name,
            "seed": experiment.seed,
            **asdict(rank(labels, scored.members(name))),
            "split": pools.kind,
            "anomaly_rate": settings.anomaly_rate,
            "n_unlabeled": normal + abnormal,
            "n_unlabeled_abnormal": abnormal,
            "epochs": getattr(settings, "epochs", 0),
            "seconds": round(seconds, 1),
            "title": method.scores[name],
        }
        for name in scored.scores
    ]


def _write_cases(path: Path, scored: ScoredSet) -> None:
    """The scores of every test case, for whoever wants to compute something else."""
    labels, scores = _judged(scored)
    columns: dict[str, Any] = {"id": [study.id for study in scored.studies], "label": labels, **scores}
    pd.DataFrame(columns).to_csv(path, index=False)


def _write_result(path: Path, experiment: Experiment, rows: list[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"experiment": experiment.describe(), "rows": rows}, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def _panel_cases(scored: ScoredSet, loader: Loader) -> Iterator[Case]:
    """Abnormal cases by quantile, not chosen by eye, and the median normal one.

    Where there are masks, abnormal cases are ranked by how well their maps find the mask, else by the last score.
    """
    last = list(scored.scores)[-1]
    masks = [loader.mask(study) if study.label else None for study in scored.studies]
    values = scored.members(last).mean(axis=1)
    found = [scored.localization(index, mask) for index, mask in enumerate(masks)]
    for label, word, quantiles in ((1, "abnormal", PANEL_QUANTILES), (0, "normal", (0.5,))):
        group = [index for index, study in enumerate(scored.studies) if study.label == label]
        by_mask = all(found[index] is not None for index in group)
        ranked = sorted(group, key=lambda index: (found[index] or 0.0) if by_mask else values[index])
        for quantile in quantiles:
            index = ranked[round(quantile * (len(ranked) - 1))]
            slice_, mask = scored.worst_slice(last, index), masks[index]
            yield Case(
                f"{word}, {quantile:.0%}",
                scored.slices[index][slice_].cpu(),
                {name: scored.map(name, index, slice_) for name in scored.scores},
                None if mask is None else mask[slice_, 0],
            )
