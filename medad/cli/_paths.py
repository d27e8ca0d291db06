"""Check paths while the command line is parsed, before heavy imports and before any work."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from medad.model_files import check_files

IN_REGISTRY = "models:/"


def folder_to_write(path: Path | None) -> Path | None:
    """Return ``path`` if it is a writable folder or can be created, else raise a usage error."""
    for place in () if path is None else (path, *path.absolute().parents):
        if place.is_dir():
            if not os.access(place, os.W_OK | os.X_OK):
                raise typer.BadParameter(f"{place}: nothing may be written there")
            break
        if place.exists():
            raise typer.BadParameter(f"{place} is a file; give a folder")
    return path


def folder_to_read(path: Path | None) -> Path | None:
    """Return ``path`` if it is a folder, else raise a usage error."""
    if path is not None and not path.is_dir():
        raise typer.BadParameter(f"{path} is a file; give a folder" if path.exists() else f"{path}: no such folder")
    return path


def there(path: Path | None) -> Path | None:
    """Return ``path`` if it exists, else raise a usage error."""
    if path is not None and not path.exists():
        raise typer.BadParameter(f"{path}: no such file or folder")
    return path


def file_to_write(path: Path | None) -> Path | None:
    """Return ``path`` if it is a file or can be created in an existing folder, else raise a usage error."""
    if path is not None and path.is_dir():
        raise typer.BadParameter(f"{path} is a folder; give a file")
    if path is not None and not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path.parent}: no such folder")
    return path


def check_model(model: Path) -> None:
    """Check the files of a model folder before the heavy imports that loading needs.

    Raises:
        ModelError: a file of a model folder is missing.
    """
    if not str(model).startswith(IN_REGISTRY):
        check_files(model)
