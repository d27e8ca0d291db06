"""MLflow, through its client: no global active run, so that no run is adopted or left open by accident."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medad import __version__
from medad.tracking.base import Run, TrackingError

if TYPE_CHECKING:
    import pandas as pd

SECONDS_BETWEEN_FLUSHES = 5.0
METRICS_IN_A_BATCH = 500
PARAM_LENGTH = 5000


def resolve_uri(option: str | None, out: Path) -> str:
    """The tracking URI: the option, else the environment's MLFLOW_TRACKING_URI, else a sqlite file below ``out``."""
    return option or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(out / 'mlflow.db').resolve()}"


class MlflowRun:
    """One MLflow run. Metrics are collected and sent in batches."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._id = run_id
        self._metrics: list[Any] = []
        self._lock = threading.Lock()
        self._flushed = time.monotonic()

    @property
    def id(self) -> str:
        """MLflow's run ID."""
        return self._id

    def params(self, values: Mapping[str, object]) -> None:
        """Log what is not logged yet."""
        from mlflow.entities import Param

        known = self._client.get_run(self._id).data.params
        new = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in values.items() if key not in known]
        if new:
            self._client.log_batch(self._id, params=new)

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """Queue one value."""
        from mlflow.entities import Metric

        with self._lock:
            self._metrics.append(Metric(name, value, int(time.time() * 1000), step))
            due = time.monotonic() - self._flushed > SECONDS_BETWEEN_FLUSHES
            if due or len(self._metrics) >= METRICS_IN_A_BATCH:
                self._flush()

    def _flush(self) -> None:
        for start in range(0, len(self._metrics), METRICS_IN_A_BATCH):
            self._client.log_batch(self._id, metrics=self._metrics[start : start + METRICS_IN_A_BATCH])
        self._metrics.clear()
        self._flushed = time.monotonic()

    def flush(self) -> None:
        """Send what is queued."""
        with self._lock:
            self._flush()

    def table(self, name: str, table: pd.DataFrame) -> None:
        """The table as MLflow's UI shows it, and as CSV."""
        self._client.log_table(self._id, table, artifact_file=f"{name}.json")
        self._client.log_text(self._id, table.to_csv(index=False), f"{name}.csv")

    def artifact(self, path: Path) -> None:
        """Upload a file."""
        self._client.log_artifact(self._id, str(path))


class MlflowTracker:
    """Runs in one experiment of the store or server at ``uri``; a local store keeps its artifacts below ``out``."""

    def __init__(self, uri: str, experiment: str, out: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the hospital
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            self._client = MlflowClient(tracking_uri=uri)
            known = self._client.get_experiment_by_name(experiment)
            local = (out / "mlflow-artifacts").resolve().as_uri() if uri.startswith("sqlite:") else None
            self._experiment = known.experiment_id if known else self._create_experiment(experiment, local)
        except (MlflowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TrackingError(
                f"cannot track in {uri!r}: {reason}. Give --tracking-uri sqlite:///FILE.db or the http address of a "
                "running MLflow server, or --no-tracking"
            ) from None

    def _create_experiment(self, name: str, artifacts: str | None) -> str:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's UI opens on training runs
        created: str = self._client.create_experiment(name, artifacts, tags=kind)
        return created

    @contextmanager
    def run(
        self, name: str, parent: Run | None = None, resume: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Iterator[MlflowRun]:
        """A new run, or the one with ID ``resume`` if it is still there."""
        run_id = self._reopen(resume) or self._create(name, parent, tags or {})
        opened = MlflowRun(self._client, run_id)
        try:
            yield opened
            opened.flush()
        except KeyboardInterrupt:
            self._end(opened, "KILLED")
            raise
        except BaseException:
            self._end(opened, "FAILED")
            raise
        self._client.set_terminated(run_id, "FINISHED")

    def _end(self, opened: MlflowRun, status: str) -> None:
        opened.flush()
        self._client.set_terminated(opened.id, status)

    def _reopen(self, run_id: str | None) -> str | None:
        from mlflow.exceptions import MlflowException

        if run_id is None:
            return None
        try:
            info = self._client.get_run(run_id).info
        except MlflowException:
            return None
        if info.experiment_id != self._experiment or info.lifecycle_stage != "active":
            return None
        self._client.update_run(run_id, status="RUNNING")
        return run_id

    def _create(self, name: str, parent: Run | None, tags: Mapping[str, str]) -> str:
        all_tags = {"medad.version": __version__, "mlflow.source.name": "medad", **tags}
        if parent is not None:
            all_tags["mlflow.parentRunId"] = parent.id
        run_id: str = self._client.create_run(self._experiment, tags=all_tags, run_name=name).info.run_id
        return run_id
