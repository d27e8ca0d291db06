"""The files of a model folder: whether they are there is known without importing torch."""

from __future__ import annotations

from pathlib import Path

from medad.types import MedadError

CARD, WEIGHTS = "model.json", "weights.safetensors"


class ModelError(MedadError):
    """A model folder that cannot be used."""


def check_files(folder: Path) -> None:
    """Refuse a folder that lacks one of the two files.

    Raises:
        ModelError: it is no model folder.
    """
    if not folder.exists():
        raise ModelError(f"{folder}: there is no such folder; a model folder holds model.json and weights.safetensors")
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} is no model folder: it needs {CARD} and {WEIGHTS}, as 'medad train' writes them")
