"""Train a model on a dataset's training set, a manifest, or folders of studies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medad.data.loading import Loader
from medad.experiments.experiment import counts, train_model
from medad.experiments.plan import Experiment
from medad.io import UnreadableImage, discover
from medad.manifest.manifest import KIND, Manifest
from medad.model import load
from medad.model_files import CARD, ModelError
from medad.registry import datasets
from medad.splits import compose, name_digest
from medad.tracking import Tracker
from medad.types import MedadError, Skipped, Study, TrainingSet
from medad.wording import counted

log = logging.getLogger(__name__)
OWN = "own folders"


class NoStudies(MedadError):
    """Raised for a folder without studies to train on."""


def training_set(
    experiment: Experiment,
    normal: Path | None,
    unlabeled: Path | None,
    data_root: Path | None,
    out: Path,
    manifest: Manifest | None = None,
) -> tuple[TrainingSet, dict[str, Any]]:
    """Return the training studies and their source: a manifest, else folders if ``normal`` is set, else the dataset.

    Raises:
        NoStudies: a folder has no study, or files lie below both ``normal`` and ``unlabeled``.
    """
    if manifest is not None:
        data, digest = manifest.training(), manifest.digest(("normal", "unlabeled"))
        return data, {"dataset": manifest.name, "split": KIND, "digest": digest, **counts(data)}
    if normal is None:
        pools = datasets.get(experiment.dataset).pools(data_root, out)
        data = compose(pools, experiment.settings.anomaly_rate, experiment.settings.unlabeled).training
        return data, {"dataset": experiment.dataset, "split": pools.kind, "digest": pools.digest(), **counts(data)}
    data = TrainingSet(folder_studies(normal), folder_studies(unlabeled) if unlabeled else ())
    shared = {f for s in data.normal for f in s.files} & {f for s in data.unlabeled for f in s.files}
    if shared:
        raise NoStudies(
            f"{counted(len(shared), 'file is', 'files are')} below both --normal and --unlabeled; separate them"
        )
    marks = [f"{study.id}\t{_stamp(study.files)}" for study in (*data.normal, *data.unlabeled)]
    return data, {"dataset": OWN, "split": "training only", "digest": name_digest(marks), **counts(data)}


def folder_studies(folder: Path) -> tuple[Study, ...]:
    """Return every study below ``folder``; the log states the number of other and unreadable files.

    Raises:
        NoStudies: ``folder`` does not exist or has no image below it.
    """
    if not folder.exists():
        raise NoStudies(f"{folder}: there is no such file or folder")
    items = list(discover(folder))
    studies = tuple(replace(item, label=None, mask=None) for item in items if isinstance(item, Study))
    left_out = [item for item in items if isinstance(item, (Skipped, UnreadableImage))]
    if left_out:
        first = left_out[0].reason
        log.info("%s: %d studies; %d other files left out, the first: %s", folder, len(studies), len(left_out), first)
    if not studies:
        raise NoStudies(f"{folder}: no DICOM, NIfTI or raster image below it ({counted(len(left_out), 'other file')})")
    return studies


def train_one(
    experiment: Experiment,
    data: TrainingSet,
    source: dict[str, Any],
    loader: Loader,
    out: Path,
    tracker: Tracker,
    parent: Path | None = None,
    run_name: str = "train",
) -> Path:
    """Train a model, write it to ``out``/model and return that folder; a model of the same experiment is reused.

    ``run_name`` is the name of the run in MLflow.

    Raises:
        ModelError: the folder contains a model of another experiment.
    """
    folder = out / "model"
    trained = (folder / CARD).is_file()
    if trained:
        _check_same(folder, experiment, source)
        log.info("%s is trained already", folder)
    with tracker.run(run_name, out, parent) as run:
        run.params({**experiment.describe(), **source})
        if not trained:
            train_model(experiment, data, loader, folder, run, source)
        run.artifact(folder / CARD)
        run.model(folder, experiment.title)
    return folder


def _check_same(folder: Path, experiment: Experiment, source: dict[str, Any]) -> None:
    settings = experiment.settings.model_dump(mode="json")
    expected = {"method": experiment.method, "settings": settings, "seed": experiment.seed, "trained_on": source}
    card = load(folder).card
    if {key: getattr(card, key) for key in expected} != expected:
        raise ModelError(f"{folder} holds a model made with other data, settings or seed: choose a new --out")


def _stamp(files: Sequence[Path]) -> str:
    """Return the sizes and modification times of ``files`` as text."""
    parts = []
    for path in files:
        try:
            info = path.stat()
            parts.append(f"{info.st_size}:{info.st_mtime_ns}")
        except OSError:
            parts.append("-")
    return ";".join(parts)
