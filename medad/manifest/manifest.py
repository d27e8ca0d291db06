"""Define a manifest: a CSV or Parquet table of files with their roles, labels and patients.

Required columns are ``file`` (absolute, or relative to the table; ``scan.nii.gz#z12`` is its 12th axial slice from
below) and ``role`` (normal, unlabeled or test). Optional columns are ``label`` (0 or 1; required in test rows; in
unlabeled rows only benchmarks read it, to compose an anomaly rate), ``study`` (groups the files of one study),
``patient`` (stored as a hash), ``mask``, ``mask_kind`` (pixels or boxes), ``cut`` and ``dataset`` (one value for the
whole table). Any other column is an attribute, for subgroups. ``cut`` is "volumes" (the default: the files of a study
form one volume) or "slices" (each row is a separate image, and ``study`` only keeps the rows on one side).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from medad.io.file_parts import slice_of
from medad.manifest.rows import (
    ROLES,
    ManifestError,
    ManifestRow,
    Role,
    on_disk,
)
from medad.splits import Pools, name_digest
from medad.types import Study, TrainingSet

KIND = "manifest"
Cut = Literal["slices", "volumes"]


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest: its ``rows`` in order, and how they are grouped into studies (``cut``)."""

    path: Path
    name: str
    cut: Cut
    rows: tuple[ManifestRow, ...]

    @cached_property
    def groups(self) -> tuple[tuple[ManifestRow, ...], ...]:
        """Return the rows of each study; studies are in the order of their first rows."""
        rows_by_study: dict[object, list[ManifestRow]] = {}
        for row in self.rows:
            rows_by_study.setdefault(row.study if self.cut == "volumes" and row.study else row.number, []).append(row)
        return tuple(tuple(rows) for rows in rows_by_study.values())

    def studies(self, role: Role) -> tuple[Study, ...]:
        """Return the studies of one role, with their labels if there are any."""
        return tuple(self._study(rows) for rows in self.groups if rows[0].role == role)

    def _study(self, rows: tuple[ManifestRow, ...]) -> Study:
        first = rows[0]
        return Study(
            Path(os.path.normpath(first.name)).as_posix(),
            tuple(row.file for row in rows),
            first.patient or self._whole(first),
            0 if first.role == "normal" else first.label,
            next((row.mask for row in rows if row.mask), None),
            first.mask_kind,
            first.attributes,
        )

    def _whole(self, row: ManifestRow) -> str | None:
        """Return a substitute for an unknown patient that keeps the slices of one volume together, or None."""
        volume = slice_of(row.file)[0]
        if row.study and self.cut == "slices":
            return name_digest(["study", row.study])
        return name_digest(["file", str(volume)]) if volume != row.file else None

    def training(self) -> TrainingSet:
        """Return the training set: known normals and all unlabeled studies, without labels.

        Raises:
            ManifestError: no row has the role "normal".
        """
        normal, unlabeled = self.studies("normal"), self.studies("unlabeled")
        if not normal:
            raise ManifestError(f"{self.path}: no row has the role 'normal', so there is nothing to learn from")
        return TrainingSet(
            tuple(study.unlabeled() for study in normal), tuple(study.unlabeled() for study in unlabeled)
        )

    def pools(self) -> Pools:
        """Return the pools for a benchmark. If any unlabeled study lacks a label, all of them count as "unknown"."""
        test, unlabeled = self.studies("test"), self.studies("unlabeled")
        all_labeled = all(study.label is not None for study in unlabeled)
        return Pools(
            self.studies("normal"),
            _labeled(unlabeled, 0) if all_labeled else (),
            _labeled(unlabeled, 1) if all_labeled else (),
            _labeled(test, 0),
            _labeled(test, 1),
            kind=KIND,
            unknown=() if all_labeled else unlabeled,
            contents=self.digest(),
        )

    def digest(self, roles: Collection[str] = ROLES) -> str:
        """Return 12 hex digits of SHA-256 over the rows of ``roles`` and the sizes of their files.

        Moving the manifest and its files together does not change the digest.
        """
        return name_digest([self.cut, *(_mark(row) for row in self.rows if row.role in roles)])


def _labeled(studies: Iterable[Study], label: int) -> tuple[Study, ...]:
    return tuple(study for study in studies if study.label == label)


def _mark(row: ManifestRow) -> str:
    size = on_disk(row.file).stat().st_size
    values = (row.name, size, row.role, row.label, row.study, row.patient, row.mask and row.mask.name, row.mask_kind)
    return repr((*values, row.attributes))
