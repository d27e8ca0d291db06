"""Turn the sources of a manifest, files and folders with their given cells, into rows of the table."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medad.io.core.errors import UnreadableImage
from medad.io.core.formats import head_of, sniff
from medad.io.core.picture import Array
from medad.io.core.settings import ReadSettings
from medad.io.discovery import discover
from medad.io.masks import grid_of, read_mask
from medad.io.read import read_picture
from medad.manifest.reading import read_rows, refuse
from medad.manifest.rows import ManifestError, ManifestRow, on_disk
from medad.types import Skipped, Study

Cells = dict[str, str]


@dataclass(frozen=True)
class ScanSource:
    """A file or folder. ``cells`` are shared by all rows from ``path``; ``name`` names the source in errors."""

    path: Path
    name: str
    cells: Cells
    mask: Path | None = None


@dataclass(frozen=True)
class Volume:
    """A file that may hold slices, the cells of its row, and its mask."""

    path: Path
    cells: Cells
    mask: Path | None


@dataclass(frozen=True)
class LeftOut:
    """A file that is in no row, and the reason; ``broken`` is true for an image that cannot be read."""

    file: Path
    reason: str
    broken: bool


@dataclass
class Rows:
    """The rows collected so far, as cells, and the files that were left out."""

    cells: list[Cells] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def of_table(path: Path) -> Iterator[ScanSource]:
    """Yield a source for each row of a table; a row that names a folder stands for every study below it.

    Raises:
        ManifestError: a cell is not allowed; the message names its row and column.
        TableError: the file is not a table.
    """
    table = read_rows(path)
    refuse(path, table.problems)
    yield from (_source_of_row(row) for row in table.rows)


def _source_of_row(row: ManifestRow) -> ScanSource:
    label = "" if row.label is None else str(row.label)
    cells = {"role": row.role, "label": label, "study": row.study, "patient": row.patient, "mask_kind": row.mask_kind}
    return ScanSource(row.file, f"row {row.number}", {**dict(row.attributes), **cells}, row.mask)


def rows_of(source: ScanSource, base: Path, rows: Rows) -> None:
    """Add the rows of a source to ``rows``, with paths relative to ``base``.

    Raises:
        ManifestError: the source names one mask for several studies.
    """
    discovered = [*_discovered(source.path)]
    studies = [item for item in discovered if isinstance(item, Study)]
    for item in discovered:
        if not isinstance(item, Study):
            rows.left_out.append(LeftOut(item.path, item.reason, isinstance(item, UnreadableImage)))
    if source.mask is not None and len(studies) > 1:
        raise ManifestError(
            f"{source.name}: one mask for {len(studies)} studies; name each study's file in a row of its own"
        )
    for study in studies:
        group = relative(study.files[0], base) if len(study.files) > 1 else ""
        identity = {
            "study": group or source.cells.get("study", ""),
            "patient": source.cells.get("patient") or study.patient or "",
        }
        mask = relative(source.mask, base) if source.mask is not None else ""
        for file in study.files:
            rows.cells.append({**source.cells, **identity, "mask": mask, "file": relative(file, base)})


def _discovered(path: Path) -> Iterator[Study | Skipped | UnreadableImage]:
    if on_disk(path) == path:
        yield from discover(path)
    elif on_disk(path).is_file():
        yield Study(path.name, (path,))  # the name selects a slice or part
    else:
        yield UnreadableImage(path, "missing", "there is no such file", "check the path")


def relative(path: Path, base: Path) -> str:
    """Return ``path`` relative to ``base``, with forward slashes."""
    return Path(os.path.relpath(path.absolute(), os.path.realpath(base))).as_posix()


def may_hold_slices(path: Path) -> bool:
    """Return whether the file's format can hold a volume, judged by its content; for DICOM, by the number of frames."""
    if on_disk(path) != path:
        return False
    form = sniff(head_of(path))
    if form == "dicom":
        from medad.io.dicom.header import open_dicom

        header = open_dicom(path, ReadSettings(), pixels=False, tags=["NumberOfFrames"])
        return header.text("NumberOfFrames") not in ("", "1")
    return form in ("nifti", "mgh", "itk")


def slices_of(volume: Volume) -> list[Cells] | UnreadableImage:
    """Return the cells of a row for each axial slice, or the error if the volume cannot be read.

    With a mask, a slice of an abnormal volume is abnormal if the mask marks a pixel in it.
    """
    try:
        picture = read_picture(volume.path, ReadSettings())
        mask = None if volume.mask is None else read_mask(volume.mask, grid_of(picture))
        if picture.array.ndim != 4:
            return [volume.cells]
        return [*_slices(volume, picture.array.shape[-1], mask)]
    except UnreadableImage as error:
        return error


def _slices(volume: Volume, count: int, mask: tuple[Array, bool] | None) -> Iterator[Cells]:
    """Yield the cells of each slice.

    ``mask`` is the mask (X, Y, count) on the grid of the volume, and whether it was resampled from another grid.
    """
    for index in range(count):
        slice_cells: Mapping[str, str] = {"file": f"{volume.cells['file']}#z{index + 1}"}
        if mask is not None:
            drawn, part = bool(mask[0][..., index].any()), "" if mask[1] else f"#z{index + 1}"
            label = str(int(drawn)) if volume.cells.get("label") == "1" else volume.cells.get("label", "")
            slice_cells = {**slice_cells, "mask": f"{volume.cells['mask']}{part}" if drawn else "", "label": label}
        yield {**volume.cells, **slice_cells, "study": volume.cells.get("study") or volume.cells["file"]}
