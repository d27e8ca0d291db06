"""Record runs in a journal on disk, and send the journals while the runs go on, as long as the store answers."""

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
    """A destination of journals."""

    def send(self, journal: Path) -> None:
        """Send the events of the journal that were not sent yet; to send an event twice changes nothing."""


class Run:
    """One run. Each method writes to disk before it returns; several threads may call :meth:`metric`."""

    def __init__(self, journal: Journal, tracker: Tracker) -> None:
        self._journal = journal
        self._tracker = tracker
        self.folder = journal.path.parent.parent

    @property
    def journal(self) -> Path:
        """The path of the run's journal."""
        return self._journal.path

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters; the first value of each name counts."""
        for name, value in values.items():
            self._journal.add("params", name=name, value=visible(str(value)))

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags; the last value of each name counts."""
        for name, value in values.items():
            self._journal.add("tag", name=name, value=value)

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """Record one value of a metric."""
        self._journal.add("metric", name=name, value=float(value), step=step)
        self._tracker.send_when_due(self.journal)

    def data(self, name: str, digest: str, context: str, about: Mapping[str, Any]) -> None:
        """Record a data set that the run used; ``context`` is "training" or "testing"."""
        self._journal.add("data", name=name, digest=digest, context=context, about=dict(about))

    def table(self, path: Path, without: tuple[str, ...] = ()) -> None:
        """Record a CSV file below the run's folder as a table; the columns ``without`` are never sent."""
        self._journal.add("table", file=self._relative(path), without=list(without))

    def artifact(self, path: Path) -> None:
        """Record a file below the run's folder."""
        self._journal.add("artifact", file=self._relative(path))

    def model(self, folder: Path, name: str, register: str | None = None) -> None:
        """Record a model folder below the run's; ``register`` is the registered model that gets a new version."""
        self._journal.add("model", folder=self._relative(folder), name=name, register=register)

    def _relative(self, path: Path) -> str:
        """Return ``path`` relative to the run's folder."""
        return os.path.relpath(path, self.folder)


class Tracker:
    """Opens runs. ``trouble`` is the reason why nothing is sent any more, or None."""

    def __init__(self, store: Store | None = None, trouble: str | None = None) -> None:
        """Without a ``store``, runs are only recorded on disk; they can be sent later."""
        self._store = store
        self.trouble = trouble
        self._sending = threading.Lock()
        self._sent = time.monotonic()

    @contextmanager
    def run(
        self, kind: str, folder: Path, parent: Path | None = None, name: str | None = None, part: str = ""
    ) -> Iterator[Run]:
        """Begin or resume the run of this ``kind`` in ``folder`` for the duration of the block.

        ``parent`` is the journal of the parent run; ``part`` distinguishes several runs of one kind in a folder. An
        exception marks the run as failed, and Ctrl-C as killed.

        Raises:
            TrackingError: another process has this run open.
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
        """Send the events of all runs in ``folder`` and below that were not sent yet; mark dead runs as failed."""
        for path in journals(folder):
            close_if_dead(path)
            self.send(path)

    def send_when_due(self, journal: Path) -> None:
        """Send the journal if the last time was long ago; only one thread sends, and the others continue."""
        if time.monotonic() - self._sent > SECONDS_BETWEEN_SENDS and self._sending.acquire(blocking=False):
            try:
                self._send(journal)
            finally:
                self._sending.release()

    def send(self, journal: Path) -> None:
        """Send the events of the journal; after the first failure nothing is sent any more."""
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
