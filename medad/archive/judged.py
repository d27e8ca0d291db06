"""Score the studies of an archive, and normal ones to compare with, by models that have not learned them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medad.data.loading import Loader
from medad.experiments.score_studies import score_studies
from medad.files import write_json
from medad.functional.intervals import Floats
from medad.functional.pooling import study_score
from medad.methods.base import CrossFits
from medad.model import Model
from medad.parsing import ParseError, read_json
from medad.types import MedadError, Study, TrainingSet

log = logging.getLogger(__name__)
JUDGED = "judged.json"
JUDGED_BYTES = 2**30


class ArchiveError(MedadError):
    """The archive cannot be judged by this model."""


@dataclass(frozen=True)
class Judged:
    """Scores by the name ``score`` that no study owes to a model that learned it.

    ``cross_fitted``: the scores are those of models trained again without some of the patients. Otherwise they are
    those of the model itself, which does not learn from unlabeled studies, and the normals are those that were held out
    of its training. ``normal_patients`` (n,) has a number for each patient, or is None if they are not known.
    """

    score: str
    cross_fitted: bool
    normal_scores: Floats
    normal_patients: tuple[str | None, ...] | None
    archive: tuple[Study, ...]
    archive_scores: Floats


def judge_archive(model: Model, data: TrainingSet, loader: Loader, out: Path, data_digest: str) -> Judged:
    """Score ``data.unlabeled``, or read the scores that an earlier call for the same model and data wrote to ``out``.

    Raises:
        ArchiveError: there is no unlabeled study, the method learns from unlabeled studies and cannot learn again
            without some of them, or ``out`` holds the results of another model or other data.
        UndefinedMetric: there are too few patients to learn without some of them.
    """
    if not data.unlabeled:
        raise ArchiveError("there are no unlabeled studies to judge: give --unlabeled DIR, or rows of role 'unlabeled'")
    identity = {"model": model.digest, "data": data_digest}
    if (judged := _earlier(out / JUDGED, identity, data)) is not None:
        log.info("the scores in %s are used again", out / JUDGED)
        return judged
    judged = _judge(model, data, loader)
    _write(out / JUDGED, identity, judged)
    return judged


def _judge(model: Model, data: TrainingSet, loader: Loader) -> Judged:
    method = model.method
    if isinstance(method, CrossFits) and method.learned_archive:
        fitted = method.cross_fit(data, loader, rng=torch.Generator().manual_seed(model.card.seed))
        patients = tuple(study.patient for study in fitted.normal)
        archive = tuple(fitted.archive)
        return Judged(fitted.score, True, fitted.normal_scores, patients, archive, fitted.archive_scores)
    if method.learned_archive:
        raise ArchiveError(
            f"a model of {model.card.method} learned from the archive itself: its scores of these studies are not "
            "those of new ones, and training it repeatedly without some of them would take too long. Use a method "
            "that can ('medad train ratio'), or one that learns from normals alone, such as pca"
        )
    score = model.card.ranking_score(method.primary)
    scored = [  # the images and maps of a study are not stored: an archive may be large
        (item.study, study_score(item.scores[score].members)) for item in score_studies(method, data.unlabeled, loader)
    ]
    normals = np.array(model.card.calibration.get(score, ()), np.float64)
    values = np.array([value for _, value in scored], np.float64)
    return Judged(score, False, normals, None, tuple(study for study, _ in scored), values)


def _write(path: Path, identity: dict[str, str], judged: Judged) -> None:
    content = {
        **identity,
        "score": judged.score,
        "cross_fitted": judged.cross_fitted,
        "normal_scores": judged.normal_scores.tolist(),
        "normal_patients": None if judged.normal_patients is None else _numbers(judged.normal_patients),
        "archive_scores": {study.id: value for study, value in zip(judged.archive, judged.archive_scores, strict=True)},
    }
    write_json(path, content, indent=None)


def _numbers(patients: Sequence[str | None]) -> list[str | None]:
    """Return the patients as numbers within this list, since an identifier is not written to any file."""
    numbers: dict[str, str] = {}
    return [None if name is None else numbers.setdefault(name, str(len(numbers))) for name in patients]


def _earlier(path: Path, identity: dict[str, str], data: TrainingSet) -> Judged | None:
    """Return the scores in ``path``, or None if there are none.

    Raises:
        ArchiveError: they are those of another model or other data, or the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = read_json(path, JUDGED_BYTES)
        earlier_identity = {key: content[key] for key in identity}
        scores = {str(name): float(value) for name, value in content["archive_scores"].items()}
        archive = tuple(study for study in data.unlabeled if study.id in scores)
        patients = content["normal_patients"]
        judged = Judged(
            str(content["score"]),
            bool(content["cross_fitted"]),
            np.array(content["normal_scores"], np.float64),
            None if patients is None else tuple(patients),
            archive,
            np.array([scores[study.id] for study in archive], np.float64),
        )
    except (ParseError, KeyError, TypeError, ValueError, AttributeError):
        raise ArchiveError(f"{path} is damaged: delete it, and the scores are computed again") from None
    if earlier_identity != identity:
        raise ArchiveError(f"{path.parent} holds the results of another model or other data: choose a new --out")
    return judged
