"""Check that the files of a model folder exist, without importing torch."""

from __future__ import annotations

from pathlib import Path

from medad.types import MedadError

CARD, WEIGHTS = "model.json", "weights.safetensors"


class ModelError(MedadError):
    """The model folder cannot be used."""


def check_files(folder: Path) -> None:
    """Check that ``folder`` holds the card and the weights.

    Raises:
        ModelError: the folder does not exist, or it lacks one of the two files.
    """
    if not folder.exists():
        raise ModelError(f"{folder}: there is no such folder; a model folder holds model.json and weights.safetensors")
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} is no model folder: it needs {CARD} and {WEIGHTS}, as 'medad train' writes them")
