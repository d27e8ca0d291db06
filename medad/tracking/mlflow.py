"""Journals sent to MLflow, through its client: no global active run, so that no run is adopted or left open."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from medad.files import write_json
from medad.parsing import ParseError, read_json
from medad.text import cell, unguarded
from medad.tracking.client import connect, reason, without_password
from medad.tracking.journal import Event, TrackingError, read
from medad.tracking.models import log_model, register

log = logging.getLogger(__name__)
METRICS_IN_A_BATCH = 500
PARAMS_IN_A_BATCH = 100
PARAM_LENGTH = 5000
TAG_LENGTH = 5000
RUN_TAG = "medad.run"  # the journal's own ID: by it a run is found again, and no other is


class MlflowStore:
    """One experiment of the store or server at ``uri``; a local store keeps its artifacts below ``out``.

    How far each journal was sent is kept beside it, and the run it went to. That run is looked up by its own tag
    before it is used, so a lost or copied note neither doubles a run nor writes into another's.
    """

    def __init__(self, uri: str, experiment: str, out: Path) -> None:
        self._client = connect(uri)
        self._name = _store_name(uri, experiment)
        known = self._client.get_experiment_by_name(experiment)
        if known is not None and known.lifecycle_stage != "active":
            raise ValueError(f"the experiment {experiment!r} is deleted there: restore it, or choose another")
        local = (out / "mlflow-artifacts").resolve().as_uri() if uri.startswith("sqlite:") else None
        self._experiment = known.experiment_id if known else self._create_experiment(experiment, local)
        self._runs: dict[Path, str] = {}

    def _create_experiment(self, name: str, artifacts: str | None) -> str:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's UI opens on training runs
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(name, artifacts, tags=kind))
        except MlflowException:
            known = self._client.get_experiment_by_name(name)
            if known is None:
                raise
            return str(known.experiment_id)  # another process has made it in the meantime

    def send(self, journal: Path) -> None:
        """Send what is new in the journal to its run, which is made if it is not there.

        Raises:
            TrackingError: the server does not answer, or refuses.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._send(journal)
        except MlflowException as error:
            raise TrackingError(reason(error)) from error

    def _send(self, journal: Path) -> None:
        sent = self._sent(journal)
        events, end = read(journal, sent["offset"])
        run_id = self._run_of(journal)
        if run_id != sent["run"]:
            events, end = read(journal)
        for kind, group in groupby(events, key=lambda event: str(event["kind"])):
            self._apply(kind, list(group), run_id, journal.parent.parent)
        self._note(journal, run_id, end)

    def _run_of(self, journal: Path) -> str:
        if journal not in self._runs:
            self._runs[journal] = self._found(journal) or self._created(journal)
        return self._runs[journal]

    def _found(self, journal: Path) -> str | None:
        mark = read(journal)[0][0]["id"]
        runs = self._client.search_runs([self._experiment], f"tags.`{RUN_TAG}` = '{mark}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _created(self, journal: Path) -> str:
        begin = read(journal)[0][0]
        tags = {RUN_TAG: begin["id"], **begin["tags"]}
        if begin["parent"]:
            above = (journal.parent / begin["parent"]).resolve()
            if above.is_file():
                tags["mlflow.parentRunId"] = self._run_of(above)
        made = self._client.create_run(self._experiment, start_time=begin["at"], tags=tags, run_name=begin["name"])
        return str(made.info.run_id)

    def _sent(self, journal: Path) -> dict[str, Any]:
        """Where the journal went in this store, and its first byte that did not."""
        return _note_of(journal, self._name)

    def _note(self, journal: Path, run_id: str, end: int) -> None:
        write_json(_note_path(journal), {**_notes(journal), self._name: {"run": run_id, "offset": end}})

    def _apply(self, kind: str, events: list[Event], run_id: str, folder: Path) -> None:
        batches: dict[str, Callable[[str, list[Event]], None]] = {"metric": self._metrics, "params": self._params}
        if kind in batches:
            batches[kind](run_id, events)
            return
        ones: dict[str, Callable[[str, Event, Path], None]] = {
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
            ones[kind](run_id, event, folder)

    def _status(self, run_id: str, event: Event, folder: Path) -> None:
        if event["kind"] == "end":
            self._client.set_terminated(run_id, event["status"], event["at"])
        else:
            self._client.update_run(run_id, status="RUNNING")

    def _tag(self, run_id: str, event: Event, folder: Path) -> None:
        self._client.set_tag(run_id, event["name"], event["value"][:TAG_LENGTH])

    def _params(self, run_id: str, events: list[Event]) -> None:
        from mlflow.entities import Param

        known = dict(self._client.get_run(run_id).data.params)
        new: dict[str, str] = {}
        for event in events:
            if event["name"] not in known:
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

        name, about = f"{event['name']}/{event['context']}", json.dumps(event["about"])  # one name is one data set
        source = json.dumps({"tags": {"dataset": event["name"], "split": event["digest"]}})
        dataset = Dataset(name, event["digest"], "code", source, profile=about)
        tag = InputTag("mlflow.data.context", event["context"])
        self._client.log_inputs(run_id, [DatasetInput(dataset, [tag])])

    def _table(self, run_id: str, event: Event, folder: Path) -> None:
        """As MLflow's UI shows it, and as CSV. MLflow appends to a table that is there, so that one is replaced."""
        import pandas as pd

        path = _there(folder, event["file"])
        if path is None:
            return
        table: pd.DataFrame = pd.read_csv(path).drop(columns=event["without"], errors="ignore").map(_shown)
        shown = f"{path.stem}.json"
        if shown in {item.path for item in self._client.list_artifacts(run_id)}:
            self._client.log_text(run_id, table.to_json(orient="split", index=False), shown)
        else:
            self._client.log_table(run_id, table, shown)
        self._client.log_text(run_id, table.to_csv(index=False), path.name)

    def _artifact(self, run_id: str, event: Event, folder: Path) -> None:
        path = _there(folder, event["file"])
        if path is not None:
            self._client.log_artifact(run_id, str(path))

    def _model(self, run_id: str, event: Event, folder: Path) -> None:
        path = _there(folder, event["folder"])
        if path is None:
            return
        model_id = log_model(self._client, self._experiment, run_id, path, event["name"])
        if event["register"]:
            register(self._client, model_id, event["register"])


def _shown(value: object) -> object:
    """A cell as it may be shown in a table: the file may have been written by an earlier medad, or by hand."""
    return cell(unguarded(value)) if isinstance(value, str) else value


def sent_to(uri: str, experiment: str, journal: Path) -> bool:
    """Whether all of the journal was sent to ``experiment`` of the store at ``uri``, as its note says."""
    return bool(_note_of(journal, _store_name(uri, experiment))["offset"] == journal.stat().st_size)


def _store_name(uri: str, experiment: str) -> str:
    return f"{without_password(uri)} {experiment}"


def _note_of(journal: Path, store: str) -> dict[str, Any]:
    none = {"run": None, "offset": 0}
    sent = _notes(journal).get(store)
    whole = isinstance(sent, dict) and type(sent.get("offset")) is int and sent["offset"] >= 0
    return {**none, **sent} if whole and isinstance(sent, dict) else none


def _note_path(journal: Path) -> Path:
    return journal.with_suffix(".sent.json")


def _notes(journal: Path) -> dict[str, Any]:
    """How far a journal was sent, by store; nothing where the note is lost or damaged: the run is found by its tag."""
    try:
        notes = read_json(_note_path(journal))
    except ParseError:
        return {}
    return notes if isinstance(notes, dict) else {}


def _there(folder: Path, name: str) -> Path | None:
    """The file ``name`` of a run in ``folder``. It may be gone when its run is sent later: what is left is sent.

    A record that somebody hands over may name any file: what is not below the folder is not sent.
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
    for start in range(0, len(items), size):
        yield items[start : start + size]
