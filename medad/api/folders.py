"""Read a data set by its name, and score a folder as 'medad score' does."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medad.api.detector import Detector, load
from medad.registry import datasets
from medad.types import Split

if TYPE_CHECKING:
    from medad.scoring import Summary


def dataset(
    name: str, root: str | Path | None = None, *, anomaly_rate: float = 0.6, unlabeled: int | None = None
) -> Split:
    """Return the training and test studies of a data set: ``split = medad.dataset("rsna", "data")``.

    ``medad.method("ddad").fit(split.training)`` learns from it, and the studies of ``split.test`` carry their labels.

    Args:
        name: A name that ``medad data list`` lists; "mvtec:bottle" is one class of a set that has classes.
        root: The folder of the data sets, in the layout that ``medad data info NAME`` explains. The demo data are made
            below it.
        anomaly_rate: The share of the unlabeled studies that is abnormal.
        unlabeled: The number of unlabeled studies; None for the published count, or all that the rate allows.

    Raises:
        UnknownName: there is no such data set.
        MissingDataset: it is not there; the message says where it was expected.
        DatasetError: it is incomplete or contradictory.
        SplitError: it has too few studies for the rate.
    """
    from medad.splits import compose

    place = Path.cwd() if root is None else Path(root)
    pools = datasets.get(name).pools(None if root is None else place, place)
    return compose(pools, anomaly_rate, unlabeled)


def score_folder(
    model: Detector | str | Path, folder: str | Path, out: str | Path, *, restart: bool = False, **settings: Any
) -> Summary:
    """Score every study below a folder, and write tables and pictures to ``out``, as 'medad score' does.

    Args:
        model: A fitted or loaded detector, a model folder, or "models:/NAME@ALIAS".
        folder: A folder of DICOM, NIfTI and raster files, or one file.
        out: The folder that gets scores.csv, scores.parquet, triage.html and pictures. An interrupted call goes on.
        restart: Discard the earlier results in ``out``.
        settings: The fields of :class:`medad.scoring.core.settings.ScoreSettings`, such as alpha, workers and force.

    Returns:
        The counts of rows by status, and the reasons of the first failures.

    Raises:
        ScoringError: the folder does not exist, or too many images fail.
        ConfigError: a setting does not exist.
    """
    from medad.config import ConfigError, unknown_key
    from medad.scoring import score_folder as score_all
    from medad.scoring.core.settings import ScoreSettings

    fields = list(signature(ScoreSettings).parameters)
    for key in settings:
        if key not in fields:
            raise ConfigError(unknown_key(key, fields, "medad.score_folder"))
    detector = model if isinstance(model, Detector) else load(model)
    return score_all(detector.model, Path(folder), Path(out), ScoreSettings(**settings), restart=restart)
