"""Describe the state of a data set on disk for `medad data list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medad.wording import counted

if TYPE_CHECKING:
    from medad.datasets.base import Dataset


def dataset_state(dataset: Dataset, data_root: Path) -> str:
    """Return a table cell: "not there", "broken: ...", or the kind of split and the number of images in each list."""
    from medad.data.check.targets import of_dataset

    subjects = list(of_dataset(dataset, data_root))
    if not subjects:
        return "not there" if hasattr(dataset, "folder") else dataset.about.raw_layout
    broken = [subject for subject in subjects if subject.defects]
    if broken:
        return f"broken: {broken[0].defects[0].splitlines()[0]}"
    sizes = " + ".join(
        str(sum(len(subject.lists.get(title, ())) for subject in subjects)) for title in subjects[0].lists
    )
    parts = f"{counted(len(subjects), 'class', 'classes')}, " if len(subjects) > 1 else ""
    return f"{parts}{', '.join(sorted({subject.kind for subject in subjects}))}: {sizes}"
