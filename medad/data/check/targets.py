"""Find what can be checked at a path: a manifest, prepared data sets, or the classes of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medad.datasets.base import OFFICIAL, About, Dataset, DatasetError
from medad.datasets.class_benchmarks import Classes
from medad.datasets.layouts import LISTS, MedADLayout
from medad.datasets.prepared import IMAGES, LISTED, mask_of, read_cases
from medad.manifest.manifest import KIND
from medad.manifest.reading import has_manifest, parse_manifest
from medad.manifest.rows import on_disk
from medad.registry import datasets
from medad.splits import name_digest
from medad.types import MedadError, Study
from medad.wording import counted

BROKEN = "broken"
BLIND = "a patient on both sides cannot be detected"
Lists = dict[str, tuple[Study, ...]]


class CheckError(MedadError):
    """The path holds nothing to check."""


@dataclass(frozen=True)
class Subject:
    """A data set to check: its studies by list, and the findings that need no decoding."""

    name: str
    kind: str
    lists: Lists
    defects: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def subjects(root: Path) -> Iterator[Subject]:
    """Yield the data sets to check at ``root``: a manifest, a prepared data set, or all of those in a data root.

    Raises:
        CheckError: there is nothing to check.
        MedadError: a data set cannot be read.
    """
    if not root.exists():
        raise CheckError(f"{root}: there is no such file or folder")
    if root.is_file() or has_manifest(root):
        yield of_manifest(root)
        return
    root = root.resolve()
    registered = list(datasets.usable())
    with_folder = [dataset for dataset in registered if isinstance(dataset, (MedADLayout, Classes))]
    if (root / LISTED).is_file():
        matching = [
            dataset for dataset in with_folder if dataset.folder == root.name and isinstance(dataset, MedADLayout)
        ]
        yield from of_dataset(matching[0] if matching else _unknown(root.name), root.parent)
        return
    any_subject = False
    for base, chosen in (
        (root.parent, [dataset for dataset in with_folder if dataset.folder == root.name]),
        (root, with_folder),
    ):
        for dataset in chosen:
            for subject in of_dataset(dataset, base):
                any_subject = True
                yield subject
    if not any_subject:
        folders = ", ".join(dataset.folder for dataset in with_folder)
        raise CheckError(f"{root}: no manifest.csv, no {LISTED}, and none of the folders {folders} with data in it")


def _unknown(folder: str) -> MedADLayout:
    """Return a dataset for a folder in the Med-AD layout that is not a registered dataset."""
    return MedADLayout(About(folder, "", "", "", "", "", "", "published"), folder)


def of_dataset(dataset: Dataset, data_root: Path) -> Iterator[Subject]:
    """Yield the dataset below ``data_root``, or each of its classes; nothing if it is missing."""
    if isinstance(dataset, MedADLayout):
        root = data_root / dataset.folder
        if has_manifest(root) or (root / LISTED).is_file():
            try:
                yield of_manifest(root) if has_manifest(root) else _of_layout(dataset, root)
            except MedadError as error:
                yield Subject(dataset.title, BROKEN, {}, (str(error),))
        return
    for part in dataset.parts(data_root):
        member = dataset.part(part)
        try:
            pools = member.pools(data_root, data_root)
        except DatasetError as error:
            yield Subject(member.title, BROKEN, {}, (str(error),))
            continue
        lists = (pools.normal, pools.unlabeled_normal, pools.unlabeled_abnormal, pools.test_normal, pools.test_abnormal)
        named = {title: studies for title, studies in zip(LISTS, lists, strict=True) if studies}
        yield Subject(member.title, pools.kind, named)


def _of_layout(dataset: MedADLayout, root: Path) -> Subject:
    names = dataset.names(root / LISTED)
    try:
        dataset.pools(root.parent, root)
        defects: tuple[str, ...] = ()
    except DatasetError as error:
        defects = (str(error),)
    listed: set[str] = set()
    lists: Lists = {}
    for title, (_, label) in LISTS.items():
        there = [name for name in names[title] if name not in listed and (root / IMAGES / name).is_file()]
        listed.update(there)
        lists[title] = tuple(_study(root, name, label) for name in there)
    kind = dataset.kind(names)
    notes = list(_differences(dataset, names, kind))
    if not any(case.patient for case in read_cases(root).values()):
        notes.append(f"no image names a patient: {BLIND}")
    return Subject(dataset.title, kind, lists, defects, tuple(notes))


def _study(root: Path, name: str, label: int) -> Study:
    mask = mask_of(root, name)
    return Study(name, (root / IMAGES / name,), label=label, mask=mask if mask.is_file() else None)


def _differences(dataset: MedADLayout, names: Mapping[str, Sequence[str]], kind: str) -> Iterator[str]:
    """Yield a sentence for each list that differs from the published split."""
    if kind == OFFICIAL:
        return
    published = dict(dataset.about.counts)
    for index, (title, listed) in enumerate(names.items()):
        same_names = bool(dataset.digests) and name_digest(list(listed)) == dataset.digests[index]
        if title in published and len(listed) != published[title]:
            yield f"{title}: {counted(len(listed), 'image')}, published {published[title]}"
        elif dataset.digests and not same_names:
            yield f"{title}: {counted(len(listed), 'image')} as published, but other names or another order"


def of_manifest(path: Path) -> Subject:
    """Return a manifest as a subject; studies with missing files are counted as a defect and not decoded.

    Raises:
        ManifestError: the manifest has no usable rows.
        TableError: the file is not a table.
    """
    manifest, problems = parse_manifest(path)
    test = manifest.studies("test")
    lists = {
        "normal": manifest.studies("normal"),
        "unlabeled": manifest.studies("unlabeled"),
        "test normal": tuple(study for study in test if study.label == 0),
        "test abnormal": tuple(study for study in test if study.label == 1),
    }
    there = {title: tuple(study for study in studies if _present(study)) for title, studies in lists.items()}
    unknown = sum(not row.patient for row in manifest.rows)
    notes = [f"{unknown} of {len(manifest.rows)} rows name no patient: {BLIND}"] if unknown else []
    return Subject(manifest.name, KIND, there, tuple(problems), tuple(notes))


def _present(study: Study) -> bool:
    return all(on_disk(path).is_file() for path in (*study.files, *((study.mask,) if study.mask else ())))
