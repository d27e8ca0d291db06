"""Keep the folder of the demo data: its settings, the records of finished subjects, and its removal."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medad.datasets.demo.notice import RECORD
from medad.files import write_bytes
from medad.parsing import ParseError, read_json
from medad.types import MedadError

STATE = ".medad-demo"  # in the root while it is being written: the settings, and a record of each finished subject
NOTICE_FILE = "LICENSE-MNI152.txt"


def claim(root: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Record the settings in ``root``; return the records of its complete subjects by id. Raises MedadError."""
    if root.exists() and not root.is_dir():
        raise MedadError(f"{root} is a file; the demo data needs a folder")
    stored_settings = _settings(root)
    if stored_settings is None and root.is_dir() and any(path.name != STATE for path in root.iterdir()):
        raise MedadError(f"{root} holds other files and no demo data of ours; choose a new or empty folder")
    if stored_settings is not None and stored_settings != settings:
        _clear(root)
    records = {record["id"]: record for record in _records(root) if _is_whole(root, record)}
    if not (root / RECORD).is_file() or len(records) < sum(settings["counts"].values()):
        put(root, f"{STATE}/settings.json", as_json(settings))
    return records


def _settings(root: Path) -> dict[str, Any] | None:
    """Return the settings that ``root`` was written with, or None if it does not hold demo data."""
    for path in (root / RECORD, root / STATE / "settings.json"):
        content = _read(path)
        if content is not None and {"version", "seed", "image_size", "counts"} <= content.keys():
            return {key: content[key] for key in ("version", "seed", "image_size", "counts")}
    return None


def _records(root: Path) -> Iterator[dict[str, Any]]:
    yield from (_read(root / RECORD) or {}).get("studies", [])
    for path in sorted((root / STATE).glob("sub-*.json")):
        if (record := _read(path)) is not None:
            yield record


def _is_whole(root: Path, record: dict[str, Any]) -> bool:
    paths = [*record["files"], record["mask"]]
    return all((root / path).is_file() for path in paths if path is not None)


def _clear(root: Path) -> None:
    """Remove demo data by the names of its files; the settings stay, so that an interrupted removal is resumed."""
    settings = _settings(root)
    put(root, f"{STATE}/settings.json", as_json(settings or {}))
    (root / RECORD).unlink(missing_ok=True)
    (root / NOTICE_FILE).unlink(missing_ok=True)
    for path in root.iterdir():
        if re.fullmatch(r"sub-\d{4,}", path.name) and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
    for path in [*(root / "masks").glob("sub-*"), *(root / STATE).glob("sub-*")]:
        path.unlink()


def as_json(value: dict[str, Any]) -> bytes:
    """Return the bytes of a JSON file."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except ParseError:
        return None
    return content if isinstance(content, dict) else None


def put(root: Path, name: str, content: bytes) -> None:
    """Write the file ``root/name`` atomically."""
    write_bytes(root / name, content)
