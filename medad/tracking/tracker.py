"""Runs: recorded in a journal on disk, and sent from there as they go, as long as that works."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from medad.text import visible
from medad.tracking.facts import facts
from medad.tracking.journal import RUNS, Journal, close_if_dead, journals

log = logging.getLogger(__name__)
SECONDS_BETWEEN_SENDS = 5.0


class Store(Protocol):
    """Where journals are sent to."""

    def send(self, journal: Path) -> None:
        """Send what is in the journal and not sent yet; sending the same twice changes nothing."""


class Run:
    """One run. What it is told is on disk when the call returns; metrics may come from several threads."""

    def __init__(self, journal: Journal, tracker: Tracker) -> None:
        self._journal = journal
        self._tracker = tracker
        self.folder = journal.path.parent.parent

    @property
    def journal(self) -> Path:
        """The run's record on disk."""
        return self._journal.path

    def params(self, values: Mapping[str, object]) -> None:
        """Settings; the first value of each holds."""
        for name, value in values.items():
            self._journal.add("params", name=name, value=visible(str(value)))

    def tags(self, values: Mapping[str, str]) -> None:
        """Words about the run; the last value of each holds."""
        for name, value in values.items():
            self._journal.add("tag", name=name, value=value)

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """One value of a metric."""
        self._journal.add("metric", name=name, value=float(value), step=step)
        self._tracker.send_when_due(self.journal)

    def data(self, name: str, digest: str, context: str, about: Mapping[str, Any]) -> None:
        """Data that went in: ``context`` is "training" or "testing"."""
        self._journal.add("data", name=name, digest=digest, context=context, about=dict(about))

    def table(self, path: Path, without: tuple[str, ...] = ()) -> None:
        """A CSV file below the run's folder, as a table; the columns ``without`` stay on this machine."""
        self._journal.add("table", file=self._relative(path), without=list(without))

    def artifact(self, path: Path) -> None:
        """A file below the run's folder."""
        self._journal.add("artifact", file=self._relative(path))

    def model(self, folder: Path, name: str, register: str | None = None) -> None:
        """A model folder below the run's, as a logged model; ``register`` names what it becomes a version of."""
        self._journal.add("model", folder=self._relative(folder), name=name, register=register)

    def _relative(self, path: Path) -> str:
        return os.path.relpath(path, self.folder)


class Tracker:
    """Opens runs. ``trouble`` is why nothing is sent any more, or None."""

    def __init__(self, store: Store | None = None, trouble: str | None = None) -> None:
        """``store`` None: runs are recorded on disk alone, from where they can be sent later."""
        self._store = store
        self.trouble = trouble
        self._sending = threading.Lock()
        self._sent = time.monotonic()

    @contextmanager
    def run(
        self, kind: str, folder: Path, parent: Path | None = None, name: str | None = None, part: str = ""
    ) -> Iterator[Run]:
        """The run of this ``kind`` in ``folder``: a new one, or what is recorded there goes on. ``parent`` is the
        journal of the run that it is part of; ``part`` tells apart several of one kind in a folder.

        A run that ends by an exception is marked as failed, by Ctrl-C as killed.
        """
        journal = Journal(folder / RUNS / f"{'-'.join(filter(None, (kind, part)))}.jsonl")
        try:
            journal.begin(visible(name or kind), {"medad.kind": kind, **facts()}, parent)
            self.send(journal.path)
            yield Run(journal, self)
            journal.add("end", status="FINISHED")
        except KeyboardInterrupt:
            journal.add("end", status="KILLED")
            raise
        except BaseException:
            journal.add("end", status="FAILED")
            raise
        finally:
            self.send(journal.path)
            journal.close()

    def catch_up(self, folder: Path) -> None:
        """Send what runs in ``folder`` and below recorded before and could not send."""
        for path in journals(folder):
            close_if_dead(path)
            self.send(path)

    def send_when_due(self, journal: Path) -> None:
        """Send now and then, by one thread; the others go on."""
        if time.monotonic() - self._sent > SECONDS_BETWEEN_SENDS and self._sending.acquire(blocking=False):
            try:
                self._send(journal)
            finally:
                self._sending.release()

    def send(self, journal: Path) -> None:
        """Send what is recorded; the first failure is the last try."""
        with self._sending:
            self._send(journal)

    def _send(self, journal: Path) -> None:
        if self._store is None or self.trouble is not None:
            return
        try:
            self._store.send(journal)
        except Exception as error:  # whatever a server does must not cost the results, which are on disk
            self.trouble = " ".join(str(error).split())[:300] or type(error).__name__
            log.warning("tracking stops here, the work goes on: %s", self.trouble)
        self._sent = time.monotonic()
