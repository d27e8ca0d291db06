"""Operating points from a labeled validation set, stored in a model that is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from medad.config import Evaluation
from medad.experiments.normal_reference import normal_thresholds, point_name
from medad.functional.intervals import Floats, Ints
from medad.functional.proportions import sensitivity_threshold
from medad.model import load, save
from medad.types import MedadError


class ValidationError(MedadError):
    """A table of validation cases that gives no thresholds."""


def set_thresholds(folder: Path, cases: Path, evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Make thresholds from the ``cases`` (cases.csv of an evaluation) and write them on the card of the model.

    They take the place of those of the same names. All thresholds of the model are returned, by score and name.

    Raises:
        ValidationError: the table is not one of cases scored by this model's scores.
        UndefinedMetric: there is no abnormal study in it.
    """
    model = load(folder)
    table = _read(cases, list(model.method.scores))
    labels = table["label"].to_numpy(np.int64)
    thresholds = {
        name: {
            **model.card.thresholds.get(name, {}),
            **validation_thresholds(labels, table[name].to_numpy(np.float64), evaluation),
        }
        for name in model.method.scores
    }
    save(folder, model.method, model.card.model_copy(update={"thresholds": thresholds}))
    return thresholds


def _read(path: Path, scores: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ValidationError(f"{path}: not readable as a CSV table: {' '.join(str(error).split())}") from None
    missing = [name for name in ("label", *scores) if name not in table]
    if missing:
        raise ValidationError(f"{path}: no column {missing[0]!r}; give the cases.csv that 'medad evaluate' wrote")
    numbers: pd.DataFrame = table[["label", *scores]].apply(pd.to_numeric, errors="coerce")
    good = numbers["label"].isin([0, 1]).to_numpy() & np.isfinite(numbers.to_numpy(np.float64)).all(axis=1)
    if not good.all():
        raise ValidationError(f"{path}: {int((~good).sum())} of {len(table)} rows lack a label of 0 or 1, or a score")
    return numbers


def validation_thresholds(labels: Ints, scores: Floats, evaluation: Evaluation) -> dict[str, float]:
    """Operating points by name, from ``scores`` (N,) of a labeled validation set: specificities and sensitivities.

    Raises:
        UndefinedMetric: there is no abnormal study in it.
    """
    abnormal = scores[labels == 1]
    points = {point_name("sens", level): sensitivity_threshold(abnormal, level) for level in evaluation.sensitivities}
    return {**normal_thresholds(scores[labels == 0], evaluation), **points}
