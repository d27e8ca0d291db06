"""Write the demo data: random subjects as DICOM and NIfTI files, masks, demo.json and the template's notice.

    ROOT/sub-0001/ST000001/SE000002/IM000001   DICOM, three quarters of the subjects
    ROOT/sub-0002/anat/sub-0002_T1w.nii.gz     NIfTI, every fourth subject
    ROOT/masks/sub-0001.png, sub-0002.nii.gz   lesion masks, abnormal subjects only
    ROOT/demo.json, ROOT/LICENSE-MNI152.txt

Subject numbers are shuffled over roles and labels, so that names and order reveal neither. A subject depends only on
the seed, its role and its index: an interrupted run that is continued gives the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medad.datasets.demo import formats
from medad.datasets.demo.anatomy import Template, draw_subject, load_template
from medad.datasets.demo.folder import NOTICE_FILE, STATE, as_json, claim, put
from medad.datasets.demo.notice import NOTICE, RECORD
from medad.datasets.demo.scan import digitize

VERSION = 1  # raise it whenever a change alters the bytes: finished data of the same version is left alone


@dataclass(frozen=True)
class DemoCounts:
    """The number of subjects of each kind."""

    normal: int = 160
    unlabeled_normal: int = 64
    unlabeled_abnormal: int = 96
    test_normal: int = 100
    test_abnormal: int = 100

    def __post_init__(self) -> None:
        for name, count in asdict(self).items():
            if count < 0:
                raise ValueError(f"{name} must be 0 or more, got {count}")


@dataclass(frozen=True)
class _Person:
    number: int
    group: int
    index: int
    role: str
    label: int

    @property
    def id(self) -> str:
        return f"sub-{self.number:04d}"


def write_demo(
    root: Path,
    *,
    seed: int = 0,
    counts: DemoCounts = DemoCounts(),
    image_size: int = 192,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the demo data below ``root``, or complete what an interrupted call wrote; complete data is not changed.

    Images have ``image_size`` pixels per side over a field of view of 216 mm. ``progress`` is called with (done, total)
    after each subject. Demo data with other settings is replaced.

    Raises:
        MedadError: ``root`` holds files that are not demo data, or nilearn is missing.
    """
    if image_size < 32:
        raise ValueError(f"image_size must be at least 32, got {image_size}")
    settings = {"version": VERSION, "seed": seed, "image_size": image_size, "counts": asdict(counts)}
    people = _people(seed, counts)
    records = claim(root, settings)
    if (root / RECORD).is_file() and len(records) == len(people):
        shutil.rmtree(root / STATE, ignore_errors=True)
        return
    template: Template | None = None
    with _one_thread():
        for done, person in enumerate(people, start=1):
            if person.id not in records:
                template = template or load_template()
                records[person.id] = _write_person(root, person, template, seed, image_size)
            if progress is not None:
                progress(done, len(people))
    put(root, NOTICE_FILE, NOTICE.encode())
    put(root, RECORD, as_json({**settings, "license": NOTICE, "studies": [records[person.id] for person in people]}))
    shutil.rmtree(root / STATE)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: slices are small, and several threads are much slower on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _people(seed: int, counts: DemoCounts) -> list[_Person]:
    """Return all subjects in the order of their numbers, which are assigned at random."""
    groups = [
        ("normal", 0, counts.normal),
        ("unlabeled", 0, counts.unlabeled_normal),
        ("unlabeled", 1, counts.unlabeled_abnormal),
        ("test", 0, counts.test_normal),
        ("test", 1, counts.test_abnormal),
    ]
    dealt = [(g, i, role, label) for g, (role, label, count) in enumerate(groups) for i in range(count)]
    order = np.random.default_rng([seed, len(groups)]).permutation(len(dealt))
    return [_Person(number, *dealt[place]) for number, place in enumerate(order, start=1)]


def _write_person(root: Path, person: _Person, template: Template, seed: int, size: int) -> dict[str, Any]:
    """Write the files of a subject and then its record; return the record."""
    rng = np.random.default_rng([seed, person.group, person.index])
    anatomy, receiver = rng.spawn(2)
    subject = draw_subject(template, anatomy, abnormal=person.label == 1, size=size)
    scan = digitize(subject, receiver)
    if person.number % 4 == 2:
        file, image = f"{person.id}/anat/{person.id}_T1w.nii.gz", formats.nifti_bytes(scan)
        mask, marked = f"masks/{person.id}.nii.gz", formats.nifti_mask_bytes
    else:
        file, image = f"{person.id}/ST000001/SE000002/IM000001", formats.dicom_bytes(scan, person.number, seed)
        mask, marked = f"masks/{person.id}.png", formats.png_mask_bytes
    put(root, file, image)
    if subject.lesion is not None:
        put(root, mask, marked(scan))
    record = {
        "id": person.id,
        "files": [file],
        "role": person.role,
        "label": person.label,
        "mask": mask if subject.lesion is not None else None,
        "patient": person.id,
        "lesion": asdict(subject.lesion) if subject.lesion is not None else None,
    }
    put(root, f"{STATE}/{person.id}.json", as_json(record))
    return record
