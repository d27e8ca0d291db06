"""Describe how the studies of an experiment were acquired: the covariate of adjusted AUCs, and how groups differ."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from medad.data.acquisition.facts import AcquisitionFacts
from medad.data.acquisition.model import AcquisitionModel, fit_acquisition, groups_of
from medad.data.acquisition.separation import LEAST, Separation, by_patient, separation
from medad.data.loading import Loader
from medad.functional.intervals import Floats
from medad.types import Study, TrainingSet

log = logging.getLogger(__name__)
MOST = 3000  # studies of a group, evenly spaced in its list; more would cost time and change little
NORMALS, ARCHIVE, TEST_NORMALS = "known normals", "the archive", "test normals"
By = dict[str, list[AcquisitionFacts]]


def training_acquisition(data: TrainingSet, loader: Loader) -> tuple[AcquisitionModel | None, tuple[str, ...]]:
    """Return the acquisition model of normals against archive, and a sentence on how well facts separate the two.

    No label and no test study is used. With fewer than ``LEAST`` patients in the archive the model is the distance from
    the normals; with fewer normals there is none.
    """
    if _patients(data.normal) < LEAST:
        return None, ()
    normal = _facts(data.normal, loader)
    archive = _facts(data.unlabeled, loader) if _patients(data.unlabeled) >= LEAST else {}
    found = separation((NORMALS, ARCHIVE), normal, archive) if archive else None
    _say(found)
    return fit_acquisition(groups_of(normal, archive)), () if found is None else (found.text,)


def test_separation(normal: Sequence[Study], test_normal: Sequence[Study], loader: Loader) -> Separation | None:
    """Return how well facts separate the normals of the training from those of the test, None if there are too few."""
    if min(_patients(normal), _patients(test_normal)) < LEAST:
        return None
    found = separation((NORMALS, TEST_NORMALS), _facts(normal, loader), _facts(test_normal, loader))
    _say(found)
    return found


def covariate_of(model: AcquisitionModel | None, studies: Sequence[Study], loader: Loader) -> Floats | None:
    """Return the acquisition score (S,) of each study; None without a model or if facts of a study are not known."""
    if model is None:
        return None
    facts = [image for image in loader.acquisition(studies) if image is not None]
    return model.score(facts) if len(facts) == len(studies) else None


def _patients(studies: Sequence[Study]) -> int:
    return len({study.patient or ("study", study.id) for study in studies})


def _facts(studies: Sequence[Study], loader: Loader) -> By:
    chosen = [
        studies[place] for place in np.unique(np.linspace(0, len(studies) - 1, min(MOST, len(studies))).astype(int))
    ]
    return by_patient(chosen, loader.acquisition(chosen))


def _say(found: Separation | None) -> None:
    if found is not None:
        log.log(logging.WARNING if found.separated else logging.INFO, found.text)
