"""Open MLflow's client with telemetry and progress bars off. MLflow is imported only when it is needed."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from medad.locks import open_locked
from medad.tracking.journal import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

PATIENCE = 120.0  # seconds to wait while another process creates a store
CALM = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # no data may leave the hospital
    "MLFLOW_UV_AUTO_DETECT": "false",  # do not pack the user's project into a model
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down must not hold up the work for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}
for _name, _value in CALM.items():  # before MLflow is imported
    os.environ.setdefault(_name, _value)


def without_password(uri: str) -> str:
    """Return ``uri`` without user name and password, for messages and records."""
    return re.sub(r"//[^/@]+@", "//", uri)


def connect(uri: str) -> MlflowClient:
    """Return a client for the store or server at ``uri``.

    Raises:
        TrackingError: another process has held a sqlite store for ``PATIENCE`` seconds.
        MlflowException: the store cannot be opened.
    """
    for noisy, level in (("mlflow", logging.WARNING), ("alembic", logging.WARNING), ("urllib3", logging.ERROR)):
        logging.getLogger(noisy).setLevel(level)
    from mlflow import MlflowClient

    with _alone(uri):  # MLflow opens the store here, and creates its tables
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a sqlite store; None for any other store, and for one in memory."""
    parts = re.match(r"sqlite(\+\w+)?:///(?P<path>[^?]+)", uri)
    return Path(unquote(parts["path"])) if parts and parts["path"] != ":memory:" else None


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Hold the lock beside a sqlite store: MLflow fails if two processes create its tables at the same time.

    Raises:
        TrackingError: another process has held it for ``PATIENCE`` seconds.
    """
    file = sqlite_file(uri)
    if file is None or not file.parent.is_dir():  # MLflow itself reports a wrong URI
        yield
        return
    began = time.monotonic()
    while (lock := open_locked(file.with_name(f"{file.name}.lock"))) is None:
        if time.monotonic() - began > PATIENCE:
            raise TrackingError(
                f"{file} is being made or brought up to date by another process, for {PATIENCE:.0f} s now: try "
                f"again when it has ended, or choose another --tracking-uri"
            )
        time.sleep(0.05)
    with lock:
        yield


def silent(error: Exception) -> bool:
    """Return whether ``error`` means that a server does not answer, or answers with an error 5xx."""
    from requests import RequestException

    return isinstance(error.__context__, RequestException) or bool(re.search(r"error code 5\d\d", str(error)))


def reason(error: Exception) -> str:
    """Return the cause of ``error`` in one line, without a password."""
    from requests import RequestException

    if isinstance(error.__context__, RequestException):
        return f"the server does not answer ({type(error.__context__).__name__})"
    return without_password(next(iter(str(error).splitlines()), type(error).__name__))
