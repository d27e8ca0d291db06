"""MLflow's client, calmed; MLflow is imported when it is called for."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

CALM = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing leaves the hospital
    "MLFLOW_UV_AUTO_DETECT": "false",  # nor is the user's project packed into a model
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down must not hold up the work for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}
for _name, _value in CALM.items():  # before MLflow is imported
    os.environ.setdefault(_name, _value)


def without_password(uri: str) -> str:
    """``uri`` as it may be shown and kept."""
    return re.sub(r"//[^/@]+@", "//", uri)


def connect(uri: str) -> MlflowClient:
    """A client for the store or server at ``uri``."""
    for noisy, level in (("mlflow", logging.WARNING), ("alembic", logging.WARNING), ("urllib3", logging.ERROR)):
        logging.getLogger(noisy).setLevel(level)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def silent(error: Exception) -> bool:
    """Whether it is a server that does not answer, or is in trouble itself."""
    from requests import RequestException

    return isinstance(error.__context__, RequestException) or bool(re.search(r"error code 5\d\d", str(error)))


def reason(error: Exception) -> str:
    """What went wrong, in a line."""
    from requests import RequestException

    if isinstance(error.__context__, RequestException):
        return f"the server does not answer ({type(error.__context__).__name__})"
    return without_password(next(iter(str(error).splitlines()), type(error).__name__))
