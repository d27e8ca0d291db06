"""A model folder as an MLflow pyfunc model: paths of studies in, scores out. MLflow calls ``_load_pyfunc``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from medad.model import load
from medad.scoring.study_scorer import StudyScore, StudyScorer, model_verdicts, single_study
from medad.types import MedadError, Study

if TYPE_CHECKING:
    import pandas as pd


class ServedModel:
    """Scores studies as 'medad score' does: the same preprocessing, gate, blocks, pooling, p-values and checks."""

    def __init__(self, folder: Path) -> None:
        self._model = load(folder, "cuda" if torch.cuda.is_available() else "cpu")
        self._verdicts = model_verdicts(self._model)
        self._scorer = StudyScorer(self._model, self._verdicts)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a row for each ``path`` (a file, or the folder of one series).

        A row has every score of the model, ``p_value`` and ``percentile`` of the score that ranks, ``flagged``,
        ``status`` ("scored", "skipped" or "failed") and ``error``, which says why a study is not scored.
        """
        import pandas as pd

        rows = map(self._row, self._scorer(_studies(model_input["path"])))
        return pd.DataFrame(list(rows), index=model_input.index)

    def _row(self, result: StudyScore) -> dict[str, Any]:
        missing, ranking = float("nan"), self._verdicts.score
        return {
            **dict.fromkeys(self._model.method.scores, missing),
            **result.scores,
            "p_value": result.p_values.get(ranking, missing),
            "percentile": result.percentiles.get(ranking, missing),
            "flagged": result.flagged,
            "status": result.status,
            "error": "" if result.error is None else str(result.error),
        }


def _studies(paths: Any) -> Iterator[Study | MedadError]:
    """Yield the study at each of ``paths``, or the error that it met."""
    for path in paths:
        try:
            yield single_study(Path(path))
        except MedadError as error:
            yield error


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model folder at ``path``. MLflow calls this function by its name."""
    folder = Path(path)
    return ServedModel(folder)
