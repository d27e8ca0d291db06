"""From the user's options to a tracker, or to a model in the registry."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from medad.tracking.client import connect, reason, silent, without_password
from medad.tracking.journal import TrackingError, journals
from medad.tracking.mlflow import MlflowStore, sent_to
from medad.tracking.models import fetch_model
from medad.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def resolve_uri(option: str | None, file: str | None, out: Path) -> str:
    """The option, else the environment's MLFLOW_TRACKING_URI, else what a file says, else sqlite below ``out``."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or file or f"sqlite:///{(out / 'mlflow.db').resolve()}"


def open_tracker(uri: str, experiment: str, out: Path) -> Tracker:
    """A tracker that sends to ``experiment``; a server that does not answer is its trouble, and no error.

    Raises:
        TrackingError: there is no such kind of store, it cannot be opened, or the server refuses.
    """
    from mlflow.exceptions import MlflowException

    try:
        return Tracker(MlflowStore(uri, experiment, out))
    except (MlflowException, OSError, ValueError) as error:
        if silent(error):
            log.warning("no tracking for now, the work goes on: %s", reason(error))
            return Tracker(trouble=reason(error))
        raise TrackingError(
            f"cannot track in {without_password(uri)!r}: {reason(error)}. Give --tracking-uri sqlite:///FILE.db or the "
            "http address of a running MLflow server"
        ) from None


def all_sent(uri: str, experiment: str, out: Path) -> bool:
    """Whether everything that runs in ``out`` and below have recorded was sent there. Nothing is opened."""
    return all(sent_to(uri, experiment, journal) for journal in journals(out))


def fetch(model: str, uri: str | None, out: Path) -> Path:
    """The model folder behind a URI such as ``models:/NAME@candidate``, copied below ``out``/models.

    Raises:
        TrackingError: no store is named, or it has no such model.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not chosen:
        raise TrackingError(f"{model}: say where it is, with --tracking-uri or MLFLOW_TRACKING_URI")
    return fetch_model(connect(chosen), model, out / "models")
