"""Compute operating points from a labeled validation set and store them in an existing model."""

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
    """Raised for a table of validation cases that cannot be used for thresholds."""


def set_thresholds(folder: Path, cases: Path, evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Compute thresholds from ``cases`` (the cases.csv of an evaluation) and write them to the card of the model.

    They replace thresholds of the same names.

    Returns:
        All thresholds of the model, by score and name.

    Raises:
        ValidationError: the table cannot be read or lacks labels or scores of this model.
        UndefinedMetric: the table has no abnormal study.
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
    valid = numbers["label"].isin([0, 1]).to_numpy() & np.isfinite(numbers.to_numpy(np.float64)).all(axis=1)
    if not valid.all():
        raise ValidationError(f"{path}: {int((~valid).sum())} of {len(table)} rows lack a label of 0 or 1, or a score")
    return numbers


def validation_thresholds(labels: Ints, scores: Floats, evaluation: Evaluation) -> dict[str, float]:
    """Return the thresholds of the requested specificities and sensitivities by name.

    ``labels`` and ``scores`` are (N,) each, from a labeled validation set of N studies.

    Raises:
        UndefinedMetric: the validation set has no abnormal study.
    """
    abnormal = scores[labels == 1]
    points = {point_name("sens", level): sensitivity_threshold(abnormal, level) for level in evaluation.sensitivities}
    return {**normal_thresholds(scores[labels == 0], evaluation), **points}
