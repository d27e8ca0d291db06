"""Define a case of a raw download, and the functions that the parsers of raw downloads share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medad.csv_tables import TableError, read_cells
from medad.datasets.base import DatasetError

RASTER = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class RawCase:
    """One image of a raw download, before it is prepared.

    ``name`` is its file name in the prepared layout, unique in the dataset. ``label`` is 0 (normal) or 1 (abnormal).
    ``patient`` is the identifier in the download, or None. ``boxes`` are (x, y, width, height) in pixels of the source.
    ``mask`` is a file that marks the abnormal pixels. ``attributes`` are (name, value) pairs.
    """

    name: str
    files: tuple[Path, ...]
    label: int
    patient: str | None = None
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    mask: Path | None = None
    attributes: tuple[tuple[str, str], ...] = ()


def read_table(path: Path, columns: Sequence[str], layout: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file.

    Raises:
        DatasetError: it is not a table or lacks one of ``columns``; the message gives the expected ``layout``.
    """
    try:
        headings, rows = read_cells(path, columns[0])
    except TableError as error:
        raise DatasetError(f"{error}. The raw download is expected as:\n{layout}") from None
    absent = [name for name in columns if name not in headings]
    if absent:
        raise DatasetError(f"{path}: no column {', '.join(absent)}. The raw download is expected as:\n{layout}")
    return [dict(zip(headings, row, strict=True)) for row in rows if row]


def numbers(row: dict[str, str], columns: Sequence[str], path: Path) -> tuple[float, ...]:
    """Return the values of ``columns`` as numbers, or () if all of them are empty. Raises DatasetError."""
    values = [row[name] for name in columns]
    if all(value in ("", "NaN", "nan") for value in values):
        return ()
    try:
        return tuple(float(value) for value in values)
    except ValueError:
        raise DatasetError(f"{path}: {dict(zip(columns, values, strict=True))} are not numbers") from None


def need_folder(path: Path, layout: str) -> Path:
    """Return ``path`` if it is a folder; raise DatasetError with the expected ``layout`` otherwise."""
    if not path.is_dir():
        raise DatasetError(f"{path} is missing; the raw download is expected as:\n{layout}")
    return path


def images_in(folder: Path) -> list[Path]:
    """Return the raster files in ``folder``, sorted by name. Raises DatasetError if there is no such folder."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is missing: a folder of images is expected there")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in RASTER and not path.name.startswith("."))


def unique_names(cases: Iterable[RawCase], raw: Path) -> tuple[RawCase, ...]:
    """Return the cases sorted by name; repeated names are prefixed with their folders below ``raw``."""
    listed = list(cases)
    often = Counter(case.name for case in listed)

    def renamed(case: RawCase) -> RawCase:
        folders = case.files[0].relative_to(raw).parts[:-1]
        return replace(case, name="_".join([*folders, case.name])) if often[case.name] > 1 else case

    return tuple(sorted(map(renamed, listed), key=lambda case: case.name))
