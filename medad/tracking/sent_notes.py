"""Notes beside journals: to which run of which store a journal was sent, and up to which byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medad.files import write_json
from medad.parsing import ParseError, read_json
from medad.tracking.client import without_password


def sent_to(uri: str, experiment: str, journal: Path) -> bool:
    """Return whether the note says that all of the journal was sent to ``experiment`` of the store at ``uri``."""
    return bool(note_of(journal, store_name(uri, experiment))["offset"] == journal.stat().st_size)


def store_name(uri: str, experiment: str) -> str:
    """Return the name of an experiment of a store in the notes, without a password."""
    return f"{without_password(uri)} {experiment}"


def note_of(journal: Path, store: str) -> dict[str, Any]:
    """Return the note about ``store``: the ID of the "run", and the "offset" of the first byte that was not sent."""
    nothing = {"run": None, "offset": 0}
    note = _notes(journal).get(store)
    valid = isinstance(note, dict) and type(note.get("offset")) is int and note["offset"] >= 0
    return {**nothing, **note} if valid and isinstance(note, dict) else nothing


def write_note(journal: Path, store: str, run_id: str, offset: int) -> None:
    """Note that the journal was sent to ``store`` up to the byte ``offset``."""
    write_json(_note_path(journal), {**_notes(journal), store: {"run": run_id, "offset": offset}})


def _note_path(journal: Path) -> Path:
    return journal.with_suffix(".sent.json")


def _notes(journal: Path) -> dict[str, Any]:
    """Return the notes by store; nothing if they are lost or damaged, since the run is also found by its tag."""
    try:
        notes = read_json(_note_path(journal))
    except ParseError:
        return {}
    return notes if isinstance(notes, dict) else {}
