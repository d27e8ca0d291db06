"""Send the events of a journal to a run in MLflow."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medad.text import cell, unguarded
from medad.tracking.journal import Event
from medad.tracking.models import log_model, register

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
METRICS_IN_A_BATCH = 500
PARAMS_IN_A_BATCH = 100
PARAM_LENGTH = 5000
TAG_LENGTH = 5000


class EventSender:
    """Sends events to runs of the experiment with the ID ``experiment``."""

    def __init__(self, client: MlflowClient, experiment: str) -> None:
        self._client = client
        self._experiment = experiment

    def send(self, kind: str, events: list[Event], run_id: str, folder: Path) -> None:
        """Send events of one kind; ``folder`` is that of the run."""
        batches: dict[str, Callable[[str, list[Event]], None]] = {"metric": self._metrics, "params": self._params}
        if kind in batches:
            batches[kind](run_id, events)
            return
        senders: dict[str, Callable[[str, Event, Path], None]] = {
            "begin": self._status,
            "resume": self._status,
            "end": self._status,
            "tag": self._tag,
            "data": self._data,
            "table": self._table,
            "artifact": self._artifact,
            "model": self._model,
        }
        for event in events:
            senders[kind](run_id, event, folder)

    def _status(self, run_id: str, event: Event, folder: Path) -> None:
        if event["kind"] == "end":
            self._client.set_terminated(run_id, event["status"], event["at"])
        else:
            self._client.update_run(run_id, status="RUNNING")

    def _tag(self, run_id: str, event: Event, folder: Path) -> None:
        self._client.set_tag(run_id, event["name"], event["value"][:TAG_LENGTH])

    def _params(self, run_id: str, events: list[Event]) -> None:
        from mlflow.entities import Param

        stored = dict(self._client.get_run(run_id).data.params)
        new: dict[str, str] = {}
        for event in events:
            if event["name"] not in stored:
                new.setdefault(event["name"], event["value"][:PARAM_LENGTH])
        for batch in _batches([Param(*item) for item in new.items()], PARAMS_IN_A_BATCH):
            self._client.log_batch(run_id, params=batch)

    def _metrics(self, run_id: str, events: list[Event]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(event["name"], event["value"], event["at"], event["step"]) for event in events]
        for batch in _batches(metrics, METRICS_IN_A_BATCH):
            self._client.log_batch(run_id, metrics=batch)

    def _data(self, run_id: str, event: Event, folder: Path) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        name, about = (
            f"{event['name']}/{event['context']}",
            json.dumps(event["about"]),
        )  # MLflow counts equal names as one data set
        source = json.dumps({"tags": {"dataset": event["name"], "split": event["digest"]}})
        dataset = Dataset(name, event["digest"], "code", source, profile=about)
        tag = InputTag("mlflow.data.context", event["context"])
        self._client.log_inputs(run_id, [DatasetInput(dataset, [tag])])

    def _table(self, run_id: str, event: Event, folder: Path) -> None:
        """Send a table as JSON, for MLflow's UI, and as CSV. An existing one is replaced: MLflow would append."""
        import pandas as pd

        path = _sendable(folder, event["file"])
        if path is None:
            return
        table: pd.DataFrame = pd.read_csv(path).drop(columns=event["without"], errors="ignore").map(_safe_cell)
        target = f"{path.stem}.json"
        if target in {item.path for item in self._client.list_artifacts(run_id)}:
            self._client.log_text(run_id, table.to_json(orient="split", index=False), target)
        else:
            self._client.log_table(run_id, table, target)
        self._client.log_text(run_id, table.to_csv(index=False), path.name)

    def _artifact(self, run_id: str, event: Event, folder: Path) -> None:
        path = _sendable(folder, event["file"])
        if path is not None:
            self._client.log_artifact(run_id, str(path))

    def _model(self, run_id: str, event: Event, folder: Path) -> None:
        path = _sendable(folder, event["folder"])
        if path is None:
            return
        model_id = log_model(self._client, self._experiment, run_id, path, event["name"])
        if event["register"]:
            register(self._client, model_id, event["register"])


def _safe_cell(value: object) -> object:
    """Return a cell guarded against formulas: an earlier medad or a person may have written the file."""
    return cell(unguarded(value)) if isinstance(value, str) else value


def _sendable(folder: Path, name: str) -> Path | None:
    """Return the path of the file ``name`` of a run in ``folder``; None if it must not or cannot be sent.

    A file may be deleted before its run is sent; the rest is sent. A journal from another person may name any file, so
    a file outside ``folder`` is not sent.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        log.warning("%s is not in the folder of its run, and is not sent", path)
        return None
    if not path.exists():
        log.warning("%s is gone, and is not sent", path)
        return None
    return path


def _batches(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield ``items`` in lists of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
