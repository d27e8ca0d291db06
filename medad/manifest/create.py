"""Create a manifest from folders or a table: find the studies, check them, and write one table."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medad.files import write_csv, write_json, writing
from medad.io.core.errors import UnreadableImage
from medad.manifest.manifest import Manifest
from medad.manifest.reading import read_manifest
from medad.manifest.rows import OWN, ManifestError
from medad.manifest.sources import (
    Cells,
    LeftOut,
    Rows,
    ScanSource,
    Volume,
    may_hold_slices,
    relative,
    rows_of,
    slices_of,
)
from medad.parallel import Lost, cores, each
from medad.wording import counted

log = logging.getLogger(__name__)
MANIFEST, SUMMARY, LEFT_OUT = "manifest.csv", "manifest.json", "left_out.csv"


@dataclass(frozen=True)
class Built:
    """The manifest that was written, the files that are in no row, and the number of dropped rows.

    Rows are ``dropped`` from training if their patients are in the test set.
    """

    manifest: Manifest
    left_out: tuple[LeftOut, ...]
    dropped: int

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of studies by role and, for the test, by label."""
        test = [f"test {'abnormal' if study.label else 'normal'}" for study in self.manifest.studies("test")]
        sizes = {role: len(self.manifest.studies(role)) for role in ("normal", "unlabeled")}
        return {**sizes, "test normal": test.count("test normal"), "test abnormal": test.count("test abnormal")}


def folders(
    normal: Path | None, unlabeled: Path | None, test_normal: Path | None, test_abnormal: Path | None
) -> list[ScanSource]:
    """Return the sources for folders that hold one role each.

    Raises:
        ManifestError: a folder does not exist, or one lies inside another.
    """
    options = [
        (normal, "--normal", {"role": "normal", "label": ""}),
        (unlabeled, "--unlabeled", {"role": "unlabeled", "label": ""}),
        (test_normal, "--test-normal", {"role": "test", "label": "0"}),
        (test_abnormal, "--test-abnormal", {"role": "test", "label": "1"}),
    ]
    sources = [ScanSource(path, option, cells) for path, option, cells in options if path is not None]
    for source in sources:
        if not source.path.exists():
            raise ManifestError(f"{source.name} {source.path}: there is no such file or folder")
    for outer in sources:
        for inner in sources:
            if outer is not inner and inner.path.resolve().is_relative_to(outer.path.resolve()):
                raise ManifestError(f"{inner.name} lies in {outer.name}: its files would have two roles; separate them")
    return sources


def init(
    sources: Sequence[ScanSource],
    out: Path,
    *,
    slices: bool = False,
    drop_shared: bool = False,
    workers: int = 0,
) -> Built:
    """Write ``out``/manifest.csv, manifest.json with a summary, and left_out.csv with the files that are in no row.

    Every study below the sources gets a row for each of its files or, with ``slices``, for each slice. With
    ``drop_shared``, patients in training and test are dropped from training; without it, they are an error.
    ``workers`` is the number of processes; 0 means one for each core.

    Raises:
        ManifestError: the sources contradict each other or hold no image, or ``out`` already has a manifest.
    """
    if (out / MANIFEST).exists():
        raise ManifestError(f"{out / MANIFEST} is there already: choose another folder, or remove it")
    rows = Rows()
    for source in sources:
        if source.path.is_dir():
            log.info("looking through %s", source.path)
        rows_of(source, out, rows)
    if slices:
        _cut(rows, out, workers or cores())
    cells, dropped = _one_side(rows.cells, drop_shared)
    if not cells:
        raise ManifestError(f"no DICOM, NIfTI or raster image was found ({counted(len(rows.left_out), 'other file')})")
    out.mkdir(parents=True, exist_ok=True)
    manifest = _written(out, cells, slices)
    built = Built(manifest, tuple(rows.left_out), dropped)
    left_out = [
        (relative(file.file, out), "broken" if file.broken else "no image", file.reason) for file in rows.left_out
    ]
    write_csv(out / LEFT_OUT, ("file", "kind", "reason"), left_out)
    summary = {"name": manifest.name, "cut": manifest.cut, "studies": built.counts, "digest": manifest.digest()}
    write_json(out / SUMMARY, summary)
    return built


def _cut(rows: Rows, out: Path, workers: int) -> None:
    """Replace the row of each single-file volume by a row for each slice; slices of DICOM series are rows already."""
    files = Counter(cells["study"] for cells in rows.cells if cells["study"])
    volumes, places = [], {}
    for place, cells in enumerate(rows.cells):
        path = _at(out, cells["file"])
        if files[cells["study"]] > 1 and cells["mask"]:
            raise ManifestError(f"{path.name}: the mask of a DICOM series cannot be cut; keep it a volume (--volumes)")
        if files[cells["study"]] < 2 and may_hold_slices(path):
            volumes.append(Volume(path, cells, _at(out, cells["mask"]) if cells["mask"] else None))
            places[path] = place
    rows_by_place: list[list[Cells]] = [[cells] for cells in rows.cells]
    for volume, result in each(slices_of, volumes, workers, "cut volumes"):
        if isinstance(result, (Lost, UnreadableImage)):
            rows.left_out.append(LeftOut(volume.path, result.reason, True))
            rows_by_place[places[volume.path]] = []
        else:
            rows_by_place[places[volume.path]] = result
    rows.cells = [cells for part in rows_by_place for cells in part]


def _at(out: Path, name: str) -> Path:
    """Return the path of the file that a cell names relative to ``out``, which need not exist yet."""
    return Path(os.path.normpath(Path(os.path.realpath(out)) / name))


def _one_side(cells: list[Cells], drop: bool) -> tuple[list[Cells], int]:
    """Return the rows without training rows of patients who are in the test set, and the number of removed rows."""
    tested = {row["patient"] for row in cells if row["role"] == "test"} - {""}
    shared = [row for row in cells if row["role"] != "test" and row["patient"] in tested]
    if shared and not drop:
        people = len({row["patient"] for row in shared})
        raise ManifestError(
            f"{counted(people, 'patient')} of the test, with {counted(len(shared), 'file')}, in what is learned from: "
            "remove them from one side, or leave them out of training with --drop-shared"
        )
    return [row for row in cells if row["role"] == "test" or row["patient"] not in tested], len(shared)


def _written(out: Path, cells: list[Cells], slices: bool) -> Manifest:
    """Write the table without empty columns; it is validated before it replaces the target."""
    if slices:
        cells = [{**row, "cut": "slices"} for row in cells]
    attributes = sorted({name for row in cells for name in row} - set(OWN))
    needed = {"file", "role", "label", "patient"}
    columns = [name for name in (*OWN, *attributes) if name in needed or any(_has_content(name, row) for row in cells)]
    with writing(out / MANIFEST) as part:
        write_csv(part, columns, [[row.get(name, "") for name in columns] for row in cells], exact=True)
        read_manifest(part)
    return read_manifest(out / MANIFEST)


def _has_content(name: str, row: Cells) -> bool:
    """Return whether the cell is not empty and, for ``mask_kind``, not the default."""
    return bool(row.get(name)) and (name != "mask_kind" or row[name] != "pixels")
