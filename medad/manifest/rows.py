"""Parse and check the rows of a manifest."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from medad.io.file_parts import part_of, slice_of
from medad.parsing import quoted
from medad.types import MedadError

Role = Literal["normal", "unlabeled", "test"]
Kind = Literal["pixels", "boxes"]
ROLES: tuple[Role, ...] = get_args(Role)
KINDS = ("pixels", "boxes")
CUTS = ("volumes", "slices")
LONGEST = 4000  # characters of a cell: attributes go into tables and reports
LONGEST_PATH, LONGEST_PART = 4000, 255  # bytes
OWN = ("file", "role", "label", "study", "patient", "mask", "mask_kind", "dataset", "cut")
LABELS = {"": None, "0": 0, "1": 1, "0.0": 0, "1.0": 1}  # pandas writes a column with gaps as 0.0 and 1.0
# Headings that may name a person. They are refused, because other columns are copied into tables and reports.
PERSONAL = {
    *("name", "patientname", "patientid", "patientsname", "mrn", "birthdate", "patientbirthdate", "dateofbirth"),
    *("dob", "accession", "accessionnumber", "address", "phone", "email", "ssn", "otherpatientids"),
    *("studyinstanceuid", "seriesinstanceuid", "sopinstanceuid", "firstname", "lastname", "surname"),
}


class ManifestError(MedadError):
    """The manifest cannot be used; the message names rows and columns."""


@dataclass(frozen=True)
class ManifestRow:
    """A row of the table; ``number`` is its number in a spreadsheet.

    ``name`` is the text of the file cell and ``file`` its path. ``patient`` and ``study`` are hashes, or "" if unknown.
    """

    number: int
    name: str
    file: Path
    role: Role
    label: int | None
    study: str
    patient: str
    mask: Path | None
    mask_kind: Kind
    attributes: tuple[tuple[str, str], ...]


def person_hash(text: str) -> str:
    """Return the hash under which a patient's number is stored; discovery hashes DICOM's PatientID the same way."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check_headings(path: Path, headings: Sequence[str]) -> None:
    """Check that no column may name a person.

    Raises:
        ManifestError: there is such a column.
    """
    personal = [name for name in headings if _plain(name) in PERSONAL]
    if personal:
        raise ManifestError(
            f"{path}: column {quoted(personal[0])} may name a person, and further columns go into tables and reports: "
            "remove it; a column 'patient' is kept as a hash only"
        )


def _plain(heading: str) -> str:
    """Return a heading in lower case and normal width, with letters and digits only."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", heading).casefold() if sign.isalnum())


def row_of(number: int, cells: Mapping[str, str], folder: Path, say: Callable[[str, str], None]) -> ManifestRow:
    """Return the row of ``cells``; report each problem by ``say(column, sentence)``."""
    role, label = cells["role"], cells.get("label", "")
    names = {column: _file_name(column, cells.get(column, ""), say) for column in ("file", "mask")}
    if not cells["file"]:
        say("file", "is empty")
    for column, value in cells.items():
        if len(value) > LONGEST and column not in names:
            say(column, f"holds {len(value)} characters, and at most {LONGEST} are read")
    if role not in ROLES:
        say("role", f"{quoted(role)} is not allowed: choose from {', '.join(ROLES)}")
    if label not in LABELS:
        say("label", "must be 0 (normal), 1 (abnormal) or empty")
    elif role == "test" and not label:
        say("label", "is empty: a test row needs 0 (normal) or 1 (abnormal)")
    elif role == "normal" and LABELS[label] == 1:
        say("label", "is 1 in a row of known normals: leave it empty, or give the row another role")
    kind = cells.get("mask_kind", "") or "pixels"
    if kind not in KINDS:
        say("mask_kind", f"{quoted(kind)} is not allowed: choose from {', '.join(KINDS)}")
    return ManifestRow(
        number,
        names["file"],
        folder / names["file"],
        cast(Role, role),
        LABELS.get(label),
        person_hash(cells["study"]) if cells.get("study") else "",
        person_hash(cells["patient"]) if cells.get("patient") else "",
        folder / names["mask"] if names["mask"] else None,
        cast(Kind, kind),
        tuple((name, value) for name, value in cells.items() if name not in OWN),
    )


def _file_name(column: str, name: str, say: Callable[[str, str], None]) -> str:
    """Return the file name, or "" after reporting a name that no file can have."""
    if "\0" in name:
        say(column, "holds a NUL character, which no file name does")
        return ""
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) > LONGEST_PATH or any(len(part) > LONGEST_PART for part in encoded.split(b"/")):
        say(column, f"is longer than a file name can be ({len(encoded)} bytes)")
        return ""
    return name


def on_disk(file: Path) -> Path:
    """Return the path without the part or slice suffix that a name may end with."""
    return part_of(slice_of(file)[0])[0]


def missing(rows: Sequence[ManifestRow]) -> Iterator[str]:
    """Yield a sentence with the number of missing files and the first of them, for each column of files."""
    for column, named in (
        ("file", [(row.number, row.file) for row in rows if row.name]),
        ("mask", [(row.number, row.mask) for row in rows if row.mask]),
    ):
        absent = [(number, file) for number, file in named if not on_disk(file).is_file()]
        if absent:
            first = ", ".join(f"{file.name} (row {number})" for number, file in absent[:3])
            yield f"column {column!r}: {len(absent)} of {len(named)} files are not there, first {first}"


def twice(rows: Sequence[ManifestRow]) -> Iterator[str]:
    """Yield a sentence for each row whose file or slice is in an earlier row too."""
    first_rows: dict[str, int] = {}
    for row in rows:
        first_row = first_rows.setdefault(os.path.realpath(row.file), row.number)
        if first_row != row.number:
            yield f"row {row.number}, column 'file': the same file as in row {first_row}"


def on_two_sides(rows: Sequence[ManifestRow]) -> Iterator[str]:
    """Yield a sentence if patients, studies or volumes are in training and test; it gives counts only, never IDs."""
    keys: dict[str, Callable[[ManifestRow], str]] = {"patient": lambda row: row.patient, "study": lambda row: row.study}
    if any("#" in row.name for row in rows):  # without slices, twice() already reports repeated files
        keys["volume"] = lambda row: os.path.realpath(on_disk(row.file))
    for what, key in keys.items():
        learned = {key(row) for row in rows if row.role != "test"} - {""}
        shared = learned & {key(row) for row in rows if row.role == "test"}
        if shared:
            yield (
                f"{len(shared)} of the {what} values are in both training and test rows: keep each on one side "
                "(give one side's rows another role, or remove them)"
            )
