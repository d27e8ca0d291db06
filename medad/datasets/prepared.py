"""Read and write the prepared layout: FOLDER/images/NAME, FOLDER/masks/STEM.png, FOLDER/data.json, FOLDER/cases.csv.

cases.csv describes each image in the columns name, patient (a hash, or empty), label, mask_kind ("pixels", "boxes", or
empty without a mask), and "attr:NAME" for each attribute. The file is optional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medad.csv_tables import read_cells
from medad.datasets.base import DatasetError
from medad.files import write_csv

IMAGES, MASKS, CASES, LISTED = "images", "masks", "cases.csv", "data.json"
COLUMNS = ("name", "patient", "label", "mask_kind")
ATTRIBUTE = "attr:"
MaskKind = Literal["pixels", "boxes"]
MASK_KINDS: tuple[MaskKind, ...] = ("pixels", "boxes")


@dataclass(frozen=True)
class PreparedCase:
    """A row of cases.csv. ``patient`` is a hash; ``mask_kind`` is None for an image without a mask."""

    name: str
    patient: str | None
    label: int
    mask_kind: MaskKind | None = None
    attributes: tuple[tuple[str, str], ...] = ()


def mask_of(root: Path, name: str) -> Path:
    """Return the path of the mask of image ``name``, which need not exist."""
    return root / MASKS / f"{Path(name).stem}.png"


def write_cases(root: Path, cases: Sequence[PreparedCase]) -> None:
    """Write ``root``/cases.csv, atomically."""
    attributes = sorted({key for case in cases for key, _ in case.attributes})
    rows = [
        (case.name, case.patient or "", case.label, case.mask_kind or "", *(values.get(key, "") for key in attributes))
        for case in cases
        for values in [dict(case.attributes)]
    ]
    write_csv(root / CASES, (*COLUMNS, *(f"{ATTRIBUTE}{key}" for key in attributes)), rows, exact=True)


def read_cases(root: Path) -> dict[str, PreparedCase]:
    """Return the rows of ``root``/cases.csv by name; an empty mapping if there is no such file.

    Raises:
        DatasetError: a column is missing, or a cell is not allowed.
        TableError: the file is not a table.
    """
    path = root / CASES
    if not path.is_file():
        return {}
    headings, rows = read_cells(path, COLUMNS[0])
    absent = [name for name in COLUMNS if name not in headings]
    if absent:
        raise DatasetError(f"{path}: no column {', '.join(absent)}; expected {', '.join(COLUMNS)}")
    cases: dict[str, PreparedCase] = {}
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        case = _case(dict(zip(headings, row, strict=True)), f"{path}, row {number}")
        if case.name in cases:
            raise DatasetError(f"{path}, row {number}: {case.name!r} is there twice")
        cases[case.name] = case
    return cases


def _case(row: dict[str, str], where: str) -> PreparedCase:
    if row["label"] not in ("0", "1"):
        raise DatasetError(f"{where}: label {row['label']!r} must be 0 or 1")
    kind = next((mask_kind for mask_kind in MASK_KINDS if mask_kind == row["mask_kind"]), None)
    if row["mask_kind"] and kind is None:
        raise DatasetError(f"{where}: mask_kind {row['mask_kind']!r} must be pixels, boxes, or empty")
    attributes = [(key.removeprefix(ATTRIBUTE), row[key]) for key in row if key.startswith(ATTRIBUTE) and row[key]]
    return PreparedCase(row["name"], row["patient"] or None, int(row["label"]), kind, tuple(sorted(attributes)))
