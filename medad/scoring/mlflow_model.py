"""A model folder as an MLflow pyfunc model: paths of studies in, scores out. MLflow calls ``_load_pyfunc``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from medad.data.study_reading import Prepare
from medad.data.transforms import as_slices
from medad.experiments.score_studies import score_images
from medad.functional.pooling import study_score
from medad.io import UnreadableImage, discover
from medad.model import load
from medad.types import MedadError, Skipped, Study

if TYPE_CHECKING:
    import pandas as pd


class NotOneStudy(MedadError):
    """A path that does not exist, or that holds no study or more than one."""


class ServedModel:
    """Reads studies with the preprocessing of the model, as 'medad score' does, and scores them."""

    def __init__(self, folder: Path) -> None:
        self._model = load(folder, "cuda" if torch.cuda.is_available() else "cpu")
        self._prepare = Prepare(self._model.method.settings)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return a row for each ``path`` (a file, or the folder of one series): its scores, or the error."""
        import pandas as pd

        return pd.DataFrame([self._row(Path(path)) for path in model_input["path"]], index=model_input.index)

    def _row(self, path: Path) -> dict[str, Any]:
        try:
            images = as_slices(self._prepare(_single_study(path)))
        except MedadError as error:
            return {**dict.fromkeys(self._model.method.scores, float("nan")), "error": str(error)}
        device = next(iter(self._model.method.state_dict().values()), torch.zeros(())).device
        scored = score_images(self._model.method, images.to(device))
        scores = {name: study_score(result.members) for name, result in scored.items()}
        return {**scores, "error": ""}


def _single_study(path: Path) -> Study:
    """Return the study at ``path``.

    Raises:
        NotOneStudy: there is no such path, or it holds no study or more than one.
        UnreadableImage: it holds no single study, and a file that cannot be read.
    """
    if not path.exists():
        raise NotOneStudy(f"{path}: there is no such file or folder")
    items = list(discover(path))
    studies = [item for item in items if isinstance(item, Study)]
    if len(studies) == 1:
        return studies[0]
    for item in items:
        if isinstance(item, UnreadableImage):
            raise item
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    raise NotOneStudy(f"{path}: {len(studies)} cases, where one is needed{': ' + reasons[0] if reasons else ''}")


def _load_pyfunc(path: str) -> ServedModel:
    """Load the model folder at ``path``. MLflow calls this function by its name."""
    folder = Path(path)
    return ServedModel(folder)
