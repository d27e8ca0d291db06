"""Name a part of a file: "stack.tif#2" is its second volume or page, "scan.nii.gz#z12" its 12th axial slice."""

from __future__ import annotations

from pathlib import Path

MOST_PARTS = 65536  # volumes or pages of one file: more are an error or an attack


def part_of(path: Path) -> tuple[Path, int]:
    """Return the file and the part, counted from 0, that a path names. ``scan.nii.gz#2`` is part 1."""
    stem, mark, number = path.name.rpartition("#")
    if mark and number.isascii() and number.isdigit() and int(number) > 0 and not path.exists():
        return path.with_name(stem), int(number) - 1
    return path, 0


def part_name(name: str, part: int) -> str:
    """Return the name of a part, counted from 0. The first part has the name of its file."""
    return name if part == 0 else f"{name}#{part + 1}"


def slice_of(path: Path) -> tuple[Path, int | None]:
    """Return the volume and the axial slice, counted from 0 from below, that a path names.

    ``scan.nii.gz#z12`` is slice 11 of ``scan.nii.gz``. The slice is None for any other name.
    """
    stem, mark, number = path.name.rpartition("#z")
    if mark and number.isascii() and number.isdigit() and int(number) > 0 and not path.exists():
        return path.with_name(stem), int(number) - 1
    return path, None
