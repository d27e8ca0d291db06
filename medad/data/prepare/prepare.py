"""Convert a raw download to the prepared layout, in parallel. An interrupted run resumes to the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from medad.csv_tables import read_cells
from medad.data.prepare.cases import Done, Job, PrepareError, Preprocessing, Unreadable, prepare_case, write_file
from medad.data.prepare.custom_split import Lists, custom_split
from medad.datasets.base import CUSTOM
from medad.datasets.layouts import LISTS, MedADLayout
from medad.datasets.prepared import IMAGES, LISTED, MASKS, MaskKind, PreparedCase, write_cases
from medad.datasets.raw_downloads import RawCase
from medad.files import write_csv, write_json
from medad.manifest.rows import person_hash
from medad.parallel import Lost, cores, each
from medad.parsing import ParseError, parse_json, read_json
from medad.registry import datasets
from medad.wording import counted

DIGESTS, JOURNAL, UNREADABLE, MADE_WITH = "digests.csv", "digests.part", "unreadable.csv", "prepare.json"
COLUMNS = ("name", "image", "mask", "source_bytes")


@dataclass(frozen=True)
class Prepared:
    """The result of a preparation: the ``kind`` of the split, the lengths of its lists, and the numbers of images.

    ``made`` images were written by this run and ``kept`` ones by earlier runs. ``unreadable`` cases are listed in
    unreadable.csv. ``absent`` names are in the split but not in the download.
    """

    root: Path
    kind: str
    lists: dict[str, int]
    made: int
    kept: int
    unreadable: int
    absent: int
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Return whether every case could be prepared."""
        return not self.unreadable and not self.absent


def prepare(
    name: str,
    raw: Path,
    out: Path,
    *,
    split: Path | None = None,
    preprocessing: Preprocessing = "published",
    workers: int = 0,
    seed: int = 0,
) -> Prepared:
    """Write ``out``/FOLDER (images, masks, data.json, cases.csv) for dataset ``name`` from its download in ``raw``.

    ``split`` is a data.json: only its images are prepared. Without it, the split of the download is used; if it has
    none, all images are prepared and a custom split is drawn with ``seed``. A case that cannot be read is listed in
    unreadable.csv. Files that an earlier run recorded and that are unchanged are kept, so the same call resumes it.
    ``workers`` is the number of processes; 0 means one for each core.

    Raises:
        DatasetError: the download has another layout than expected, or the dataset needs no preparation.
        PrepareError: ``out`` holds a preparation with other settings, or the split and the download contradict.
        WriteError: ``out`` cannot be written.
    """
    dataset = datasets.get(name)
    cases = dataset.raw_cases(raw)
    if not isinstance(dataset, MedADLayout):
        raise PrepareError(f"{dataset.title} is read as it was published: there is nothing to prepare")
    listed = dataset.own_split(cases) if split is None else dataset.names(split)
    names = set() if listed is None else {name for titles in listed.values() for name in titles}
    chosen = [case for case in cases if listed is None or case.name in names]
    _check(dataset, cases, chosen, listed)
    root = out / dataset.folder
    for folder in (root / IMAGES, root / MASKS):
        folder.mkdir(parents=True, exist_ok=True)
    _claim(root, preprocessing)
    done, unreadable = _prepare_all(chosen, root, preprocessing, workers or cores())
    readable = [case for case in chosen if case.name in done]
    write_cases(root, [_prepared_case(case) for case in sorted(readable, key=lambda case: case.name)])
    kind = CUSTOM if listed is None else dataset.kind(listed)
    notes: list[str] = []
    if listed is None:
        listed, notes = custom_split(readable, dict(dataset.about.counts), seed)
        _write_split(root / LISTED, listed, {"split": "custom: drawn by medad data prepare", "seed": seed})
    elif split is not None:
        write_file(root / LISTED, split.read_bytes())
    else:
        _write_split(root / LISTED, listed, {})
    return Prepared(
        root,
        kind,
        {title: len(listed_names) for title, listed_names in listed.items()},
        sum(not case.kept for case in done.values()),
        sum(case.kept for case in done.values()),
        len(unreadable),
        len(names - {case.name for case in cases}),
        tuple(notes),
    )


def _check(dataset: MedADLayout, cases: Sequence[RawCase], chosen: Sequence[RawCase], listed: Lists | None) -> None:
    """Check the cases and the split before the long preparation starts. Raises PrepareError."""
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    stems = Counter(Path(case.name).stem for case in chosen if case.boxes or case.mask)
    twice += [stem for stem, count in stems.items() if count > 1]
    if twice:
        raise PrepareError(
            f"{dataset.title}: {counted(len(twice), 'name stands', 'names stand')} for two images, first {twice[0]!r}"
        )
    strange = [case.name for case in cases if Path(case.name).name != case.name]
    if strange:
        raise PrepareError(f"{dataset.title}: {strange[0]!r} is no file name")
    if not chosen:
        raise PrepareError(f"{dataset.title}: none of the images of the split is in the download: is it the right one?")
    if listed is None and not dataset.about.counts:
        raise PrepareError(f"{dataset.title}: its counts were not published: say which images are what with --split")
    if listed is not None:
        labels = {case.name: case.label for case in chosen}
        wrong = [n for t, (_, label) in LISTS.items() for n in listed[t] if labels.get(n, label) != label]
        if wrong:
            raise PrepareError(
                f"{dataset.title}: the split and the download disagree on the label of {len(wrong)} images, first "
                f"{wrong[0]!r}"
            )


def _claim(root: Path, preprocessing: str) -> None:
    """Record the preprocessing in ``root``; refuse a folder with images of another one."""
    record = root / MADE_WITH
    content = read_json(record) if record.is_file() else {"preprocessing": preprocessing}
    before = content.get("preprocessing") if isinstance(content, dict) else None
    if before != preprocessing:
        raise PrepareError(f"{root} holds images of the preprocessing {before!r}: choose another OUT")
    write_json(record, {"preprocessing": preprocessing}, indent=None)


def _prepare_all(
    cases: Sequence[RawCase], root: Path, preprocessing: Preprocessing, workers: int
) -> tuple[dict[str, Done], list[Unreadable]]:
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


def _prepared_case(case: RawCase) -> PreparedCase:
    kind: MaskKind | None = "pixels" if case.mask else "boxes" if case.boxes else None
    patient = person_hash(case.patient) if case.patient else None
    return PreparedCase(case.name, patient, case.label, kind, case.attributes)


def _write_split(path: Path, lists: Lists, marks: dict[str, Any]) -> None:
    """Write data.json; ``marks`` are further keys that say where its lists come from."""
    content: dict[str, Any] = {**marks, "train": {}, "test": {}}
    for title, (keys, _) in LISTS.items():
        place = content
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = lists[title]
    write_file(path, (json.dumps(content, indent=1) + "\n").encode())
