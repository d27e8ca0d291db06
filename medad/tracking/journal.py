"""The journal of a run: FOLDER/runs/KIND.jsonl with one JSON event for each line, written before anything is sent.

Paths of files are relative to FOLDER, and the path of the parent's journal is relative to the journal, so that a folder
can be moved, and sent from another machine.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medad.locks import try_lock
from medad.parsing import ParseError, parse_json
from medad.types import MedadError

RUNS = "runs"
Event = dict[str, Any]


class TrackingError(MedadError):
    """A tracking server or store, or a journal, that cannot be used."""


class Journal:
    """The open journal of one run. One process may have it open: its lock ends with the process."""

    def __init__(self, path: Path) -> None:
        """Open the journal at ``path``, or create it.

        Raises:
            TrackingError: another process has it open.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        if not try_lock(self._file):
            self._file.close()
            raise TrackingError(
                f"{path.parent.parent}: another medad is at work here; wait for it, or choose a new --out"
            )
        self._repair()
        self._recorded = {_key(event): event for event in read(path)[0] if event["kind"] in ("metric", "params")}
        self._writing = threading.Lock()

    def _repair(self) -> None:
        """Remove an incomplete last line, which a killed process may have left."""
        self._file.seek(0)
        content = self._file.read()
        self._file.truncate(content.rfind(b"\n") + 1)

    def begin(self, name: str, tags: Mapping[str, str], parent: Path | None) -> None:
        """Record that the run begins, or that it resumes if the journal has events."""
        if self.path.stat().st_size:
            self.add("resume")
            return
        above = os.path.relpath(parent, self.path.parent) if parent else None
        self.add("begin", id=uuid.uuid4().hex, name=name, tags=dict(tags), parent=above)

    def add(self, kind: str, **values: Any) -> None:
        """Append one event, unless it is a metric or a parameter that a resumed run repeats."""
        event = {"kind": kind, **values}
        key = _key(event)
        with self._writing:
            before = self._recorded.get(key)
            if before is not None and {**before, "at": 0} == {**event, "at": 0}:
                return
            if kind in ("metric", "params"):
                self._recorded[key] = event
            self._file.write(json.dumps({**event, "at": int(time.time() * 1000)}).encode() + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file, and release its lock."""
        self._file.close()


def _key(event: Event) -> tuple[Any, ...]:
    """Return what identifies a metric or a parameter."""
    return event["kind"], event.get("name"), event.get("step")


def read(path: Path, start: int = 0) -> tuple[list[Event], int]:
    """Return the events from byte ``start`` on, and the position after the last of them.

    Raises:
        TrackingError: the file is not a journal.
    """
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        events = [parse_json(line, str(path), finite=False) for line in whole.splitlines()]
    except ParseError as error:
        raise TrackingError(f"not the record of a run: {error}") from None
    wrong = [place for place, event in enumerate(events, 1) if not _well_formed(event)]
    if wrong or (start == 0 and events and events[0]["kind"] != "begin"):
        raise TrackingError(
            f"{path}: not the record of a run: event {wrong[0] if wrong else 1} lacks what it must hold"
        )
    return events, start + len(whole)


FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "begin": {"id": str, "name": str, "tags": dict, "parent": (str, type(None))},
    "resume": {},
    "params": {"name": str, "value": str},
    "tag": {"name": str, "value": str},
    "metric": {"name": str, "value": (int, float), "step": int},
    "data": {"name": str, "digest": str, "context": str, "about": dict},
    "table": {"file": str, "without": list},
    "artifact": {"file": str},
    "model": {"folder": str, "name": str, "register": (str, type(None))},
    "end": {"status": str},
}


def _well_formed(event: object) -> bool:
    """Return whether ``event`` has the form that :meth:`Journal.add` writes."""
    if not isinstance(event, dict) or type(event.get("at")) is not int:
        return False
    fields = FIELDS.get(str(event.get("kind")))
    return fields is not None and all(isinstance(event.get(name), kind) for name, kind in fields.items())


def journals(folder: Path) -> Iterator[Path]:
    """Yield the journals of all runs in ``folder`` and below, in order of their paths."""
    yield from sorted(path for path in folder.rglob(f"{RUNS}/*.jsonl") if path.is_file())


def close_if_dead(path: Path) -> None:
    """Record a run as failed if its journal has no end, and no process has it open."""
    events = read(path)[0]
    if not events or events[-1]["kind"] == "end":
        return
    try:
        journal = Journal(path)
    except TrackingError:  # another process has it open
        return
    journal.add("end", status="FAILED")
    journal.close()
