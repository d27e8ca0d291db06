"""Train a method for :meth:`medad.api.detector.Detector.fit`, as 'medad train' does, in a temporary folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from medad.api.inputs import InputError, all_items
from medad.api.memory import PrepareInMemory
from medad.config import Settings
from medad.data.loading import Loader
from medad.data.training_marks import FILE
from medad.experiments.experiment import counts
from medad.experiments.plan import Experiment
from medad.experiments.train import folder_studies, train_one
from medad.manifest.reading import has_manifest, read_manifest
from medad.model import Model, load
from medad.registry import methods
from medad.splits import name_digest
from medad.tracking import Tracker
from medad.types import TrainingSet

TABLES = (".csv", ".parquet")
SOURCE = "given in Python"


def trained(method: str, settings: Settings, normal: Any, unlabeled: Any, seed: int, device: str) -> tuple[Model, str]:
    """Return the model, and the marks of the studies that it has learned from, as the model folder holds them.

    Raises:
        MedadError: an image cannot be read, there are too few images, or the training fails.
    """
    methods.get(method)(settings).rehearse()
    prepare = PrepareInMemory(settings)
    data = _training_set(prepare, settings, normal, unlabeled)
    digest = name_digest(prepare.marks((*data.normal, *data.unlabeled)))
    source = {"dataset": SOURCE, "split": "training only", "digest": digest, **counts(data)}
    experiment = Experiment(SOURCE, method, settings, seed)
    with tempfile.TemporaryDirectory() as place:
        loader = Loader(settings, device, prepare=prepare)
        folder = train_one(experiment, data, source, loader, Path(place), Tracker())
        marks = (folder / FILE).read_text(encoding="ascii")
        return load(folder, device), marks


def _training_set(prepare: PrepareInMemory, settings: Settings, normal: Any, unlabeled: Any) -> TrainingSet:
    """Return the training studies of whatever was handed to ``fit``."""
    if isinstance(normal, TrainingSet):
        if unlabeled is not None:
            raise InputError("fit: give a TrainingSet alone: it has the unlabeled studies as well")
        return normal
    manifest = _manifest(normal)
    if manifest is not None:
        if unlabeled is not None:
            raise InputError(f"fit: {manifest} is a manifest, which names the unlabeled studies: give no others")
        return read_manifest(manifest).training()
    groups = [
        () if given is None else prepare.studies(_items(given, settings, name), name)
        for name, given in (("normal", normal), ("unlabeled", unlabeled))
    ]
    shared = {study.files for study in groups[0]} & {study.files for study in groups[1]}
    if shared:
        raise InputError(f"fit: {len(shared)} of the normal studies are among the unlabeled ones too: separate them")
    return TrainingSet(groups[0], groups[1])


def _manifest(normal: Any) -> Path | None:
    """Return the path of a manifest if ``normal`` is one, or a folder that holds one."""
    if not isinstance(normal, (str, os.PathLike)):
        return None
    path = Path(normal)
    return path if path.suffix.lower() in TABLES or (path.is_dir() and has_manifest(path)) else None


def _items(given: Any, settings: Settings, name: str) -> Any:
    """Return the studies and images of a folder, or of anything else that can be scored."""
    if isinstance(given, (str, os.PathLike)):
        return folder_studies(Path(given))
    return all_items(given, settings, name)
