"""Convert a raw download to the prepared layout, in parallel. An interrupted run resumes to the same bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medad.data.prepare.cases import PrepareError, Preprocessing, write_file
from medad.data.prepare.custom_split import Lists, custom_split
from medad.data.prepare.recorded import claim, prepare_all
from medad.datasets.base import CUSTOM
from medad.datasets.layouts import LISTS, MedADLayout
from medad.datasets.prepared import IMAGES, LISTED, MASKS, MaskKind, PreparedCase, write_cases
from medad.datasets.raw_downloads import RawCase
from medad.manifest.rows import person_hash
from medad.parallel import cores
from medad.registry import datasets
from medad.wording import counted


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
    claim(root, preprocessing)
    done, unreadable = prepare_all(chosen, root, preprocessing, workers or cores())
    readable = sorted((case for case in chosen if case.name in done), key=lambda case: case.name)
    write_cases(root, [_prepared_case(case) for case in readable])
    kind = CUSTOM if listed is None else dataset.kind(listed)
    notes: list[str] = []
    if listed is None:
        listed, notes = custom_split(readable, dict(dataset.about.counts), seed)
        _write_split(root / LISTED, listed, {"split": "custom: drawn by medad data prepare", "seed": seed})
    elif split is not None:
        write_file(root / LISTED, split.read_bytes())
    else:
        _write_split(root / LISTED, listed, {})
    kept = sum(case.kept for case in done.values())
    absent = len(names - {case.name for case in cases})
    lengths = {title: len(listed_names) for title, listed_names in listed.items()}
    return Prepared(root, kind, lengths, len(done) - kept, kept, len(unreadable), absent, tuple(notes))


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
