"""Decoding one study to see whether it can be, and what its pixels are. It runs in worker processes: no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medad.io.address import slice_of
from medad.io.errors import UnreadableImage
from medad.io.picture import Picture
from medad.io.read import read_picture
from medad.io.settings import ReadSettings
from medad.types import Study

SETTINGS = ReadSettings(time="split")


@dataclass(frozen=True)
class Task:
    """Files that are decoded together, with their masks; the highest slice that is asked for, or 0; whose they are."""

    files: tuple[Path, ...]
    masks: tuple[Path, ...]
    slices: int
    studies: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """``pixels`` is a digest of the decoded image, "" where it cannot be decoded or all its pixels are equal."""

    pixels: str = ""
    defects: tuple[str, ...] = ()


def tasks_of(studies: Iterable[Study]) -> list[Task]:
    """One task for each study, or for all slices of one volume, which is decoded once."""
    found: dict[tuple[Path, ...], list[Study]] = {}
    for study in studies:
        files = (slice_of(study.files[0])[0],) if len(study.files) == 1 else study.files
        found.setdefault(files, []).append(study)
    return [
        Task(
            files,
            tuple(dict.fromkeys(slice_of(study.mask)[0] for study in own if study.mask is not None)),
            max((slice_of(study.files[0])[1] or -1) + 1 for study in own),
            tuple(study.id for study in own),
        )
        for files, own in found.items()
    ]


def decode(task: Task) -> Finding:
    """Decode the image and its masks."""
    try:
        picture = read_picture(task.files, SETTINGS)
        if task.slices:
            _check_slices(picture, task)
    except UnreadableImage as error:
        return Finding(defects=(str(error),))
    defects = [defect for mask in task.masks for defect in _mask_defects(mask, picture)]
    return Finding(_digest(picture), tuple(defects))


def _check_slices(picture: Picture, task: Task) -> None:
    if picture.array.ndim != 4 or picture.array.shape[-1] < task.slices:
        there = picture.array.shape[-1] if picture.array.ndim == 4 else 1
        reason = f"slice {task.slices} of it is listed and it has {there}"
        raise UnreadableImage(task.files[0], "missing", reason, "cut it anew, or correct the numbers after #z")


def _mask_defects(mask: Path, picture: Picture) -> list[str]:
    try:
        drawn = read_picture(mask, SETTINGS)
    except UnreadableImage as error:
        return [f"mask: {error}"]
    if drawn.array.shape[1:] != picture.array.shape[1:]:
        sizes = [" x ".join(map(str, one.array.shape[1:])) for one in (drawn, picture)]
        return [f"mask {mask.name} has {sizes[0]} pixels and its image {sizes[1]}"]
    return []


def _digest(picture: Picture) -> str:
    array = picture.array
    if array.min() == array.max():
        return ""  # blank images are alike and no copies of one another
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    digest.update(array.tobytes())
    return digest.hexdigest()
