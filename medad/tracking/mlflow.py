"""Send journals to MLflow through its client, without a global active run: no run is reused or remains open."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from medad.tracking.client import connect, reason
from medad.tracking.events import EventSender
from medad.tracking.journal import TrackingError, read
from medad.tracking.sent_notes import note_of, store_name, write_note

RUN_TAG = "medad.run"  # the ID of the journal, by which its run is found again


class MlflowStore:
    """One experiment of the store or server at ``uri``; a local store keeps its artifacts below ``out``.

    A note beside each journal says up to which byte it was sent, and to which run. Before a run is used, it is searched
    by its tag, so that a lost or copied note neither duplicates a run nor writes into another one.

    Raises:
        ValueError: the experiment is deleted in the store.
        MlflowException: the store cannot be opened, or the server does not answer.
    """

    def __init__(self, uri: str, experiment: str, out: Path) -> None:
        self._client = connect(uri)
        self._name = store_name(uri, experiment)
        existing = self._client.get_experiment_by_name(experiment)
        if existing is not None and existing.lifecycle_stage != "active":
            raise ValueError(f"the experiment {experiment!r} is deleted there: restore it, or choose another")
        local = (out / "mlflow-artifacts").resolve().as_uri() if uri.startswith("sqlite:") else None
        self._experiment = existing.experiment_id if existing else self._create_experiment(experiment, local)
        self._sender = EventSender(self._client, self._experiment)
        self._runs: dict[Path, str] = {}

    def _create_experiment(self, name: str, artifacts: str | None) -> str:
        """Create an experiment, unless another process has created it in the meantime, and return its ID."""
        kind = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's UI opens on training runs
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(name, artifacts, tags=kind))
        except MlflowException:
            existing = self._client.get_experiment_by_name(name)
            if existing is None:
                raise
            return str(existing.experiment_id)

    def send(self, journal: Path) -> None:
        """Send the new events of the journal to its run, which is created if it does not exist.

        Raises:
            TrackingError: the server does not answer, or refuses.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._send(journal)
        except MlflowException as error:
            raise TrackingError(reason(error)) from error

    def _send(self, journal: Path) -> None:
        sent = note_of(journal, self._name)
        events, end = read(journal, sent["offset"])
        run_id = self._run_of(journal)
        if run_id != sent["run"]:
            events, end = read(journal)
        for kind, group in groupby(events, key=lambda event: str(event["kind"])):
            self._sender.send(kind, list(group), run_id, journal.parent.parent)
        write_note(journal, self._name, run_id, end)

    def _run_of(self, journal: Path) -> str:
        """Return the ID of the run of a journal, which is created if it does not exist."""
        if journal not in self._runs:
            self._runs[journal] = self._existing_run(journal) or self._create_run(journal)
        return self._runs[journal]

    def _existing_run(self, journal: Path) -> str | None:
        """Return the ID of the run that has the journal's tag; None if there is none."""
        mark = read(journal)[0][0]["id"]
        runs = self._client.search_runs([self._experiment], f"tags.`{RUN_TAG}` = '{mark}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _create_run(self, journal: Path) -> str:
        """Create the run of a journal, and if necessary that of its parent; return its ID."""
        begin = read(journal)[0][0]
        tags = {RUN_TAG: begin["id"], **begin["tags"]}
        if begin["parent"]:
            above = (journal.parent / begin["parent"]).resolve()
            if above.is_file():
                tags["mlflow.parentRunId"] = self._run_of(above)
        run = self._client.create_run(self._experiment, start_time=begin["at"], tags=tags, run_name=begin["name"])
        return str(run.info.run_id)
