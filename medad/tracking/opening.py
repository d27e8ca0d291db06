"""Open a tracker, or fetch a model from the registry, from the user's options."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from medad.tracking.client import connect, reason, silent, without_password
from medad.tracking.journal import TrackingError, journals
from medad.tracking.mlflow import MlflowStore
from medad.tracking.models import fetch_model
from medad.tracking.sent_notes import sent_to
from medad.tracking.tracker import Tracker

log = logging.getLogger(__name__)


def resolve_uri(option: str | None, file: str | None, out: Path) -> str:
    """Return ``option``, else MLFLOW_TRACKING_URI, else ``file``, else a sqlite store in ``out``."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or file or f"sqlite:///{(out / 'mlflow.db').resolve()}"


def open_tracker(uri: str, experiment: str, out: Path) -> Tracker:
    """Return a tracker that sends to ``experiment``.

    If the server does not answer, the tracker only records on disk; ``Tracker.trouble`` holds the cause.

    Raises:
        TrackingError: the kind of store is unknown, it cannot be opened, or the server refuses.
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
    """Return whether all journals in ``out`` and below were sent to ``experiment`` completely; no store is opened."""
    return all(sent_to(uri, experiment, journal) for journal in journals(out))


def fetch(model: str, uri: str | None, out: Path) -> Path:
    """Copy the model at a URI such as ``models:/NAME@candidate`` to a folder below ``out``/models, and return that.

    Raises:
        TrackingError: no store is given, or it has no such model.
    """
    chosen = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not chosen:
        raise TrackingError(f"{model}: say where it is, with --tracking-uri or MLFLOW_TRACKING_URI")
    return fetch_model(connect(chosen), model, out / "models")
