"""Prepare the cases of a dataset and record each, so that an interrupted run resumes where it stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from medad.csv_tables import read_cells
from medad.data.prepare.cases import Done, Job, PrepareError, Preprocessing, Unreadable, prepare_case, write_file
from medad.datasets.raw_downloads import RawCase
from medad.files import write_csv, write_json
from medad.parallel import Lost, each
from medad.parsing import ParseError, parse_json, read_json

DIGESTS, JOURNAL, UNREADABLE, MADE_WITH = "digests.csv", "digests.part", "unreadable.csv", "prepare.json"
COLUMNS = ("name", "image", "mask", "source_bytes")


def claim(root: Path, preprocessing: str) -> None:
    """Record the preprocessing in ``root``; refuse a folder with images of another one."""
    record = root / MADE_WITH
    content = read_json(record) if record.is_file() else {"preprocessing": preprocessing}
    before = content.get("preprocessing") if isinstance(content, dict) else None
    if before != preprocessing:
        raise PrepareError(f"{root} holds images of the preprocessing {before!r}: choose another OUT")
    write_json(record, {"preprocessing": preprocessing}, indent=None)


def prepare_all(
    cases: Sequence[RawCase], root: Path, preprocessing: Preprocessing, workers: int
) -> tuple[dict[str, Done], list[Unreadable]]:
    """Prepare ``cases`` below ``root`` with ``workers`` processes, and record them in digests.csv and unreadable.csv.

    Returns:
        The prepared cases by name, and those that cannot be read.

    Raises:
        WriteError: ``root`` cannot be written.
    """
    before = _recorded(root)
    jobs = [Job(case, root, preprocessing, before.get(case.name)) for case in cases]
    done: dict[str, Done] = {}
    unreadable: list[Unreadable] = []
    write_file(root / JOURNAL, "".join(_line(record) for record in before.values()).encode())
    with (root / JOURNAL).open("a", encoding="utf-8") as journal:
        for job, result in each(prepare_case, jobs, workers, f"prepare {root.name}"):
            if isinstance(result, Done):
                done[result.name] = result
                if not result.kept:
                    journal.write(_line(result))
                    journal.flush()
            elif isinstance(result, Lost):
                unreadable.append(Unreadable(job.case.name, job.case.files[0].name, result.reason))
            else:
                unreadable.append(result)
    write_csv(root / DIGESTS, COLUMNS, [astuple(done[name])[:4] for name in sorted(done)], exact=True)
    (root / JOURNAL).unlink()
    (root / UNREADABLE).unlink(missing_ok=True)
    if unreadable:
        columns = ("name", "file", "reason")
        write_csv(root / UNREADABLE, columns, sorted(astuple(case) for case in unreadable))
    return done, unreadable


def _line(done: Done) -> str:
    return json.dumps(astuple(done)[:4]) + "\n"


def _recorded(root: Path) -> dict[str, Done]:
    """Return the cases that earlier runs prepared, by name. The last journal line of a killed run may be cut off."""
    records = {}
    if (root / DIGESTS).is_file():
        for name, image, mask, size in read_cells(root / DIGESTS, COLUMNS[0])[1]:
            records[name] = Done(name, image, mask, int(size))
    if (root / JOURNAL).is_file():
        for line in (root / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                name, image, mask, size = parse_json(line, JOURNAL)
            except (ParseError, ValueError, TypeError):
                continue
            records[name] = Done(name, image, mask, size)
    return records
