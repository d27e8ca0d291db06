"""Decode one study to check it and to compute a digest of its pixels.

This runs in worker processes, so it does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medad.data.acquisition.facts import AcquisitionFacts, acquisition_facts
from medad.io.core.errors import UnreadableImage
from medad.io.core.picture import Picture, axial_slice
from medad.io.core.settings import ReadSettings
from medad.io.file_parts import slice_of
from medad.io.masks import MaskMismatch, grid_of, read_mask
from medad.io.read import read_picture
from medad.io.same_pixels import digest_of
from medad.types import Study

SETTINGS = ReadSettings()


@dataclass(frozen=True)
class DecodingTask:
    """Files that are decoded together.

    ``slices`` are the slices to check, counted from 0, or None for the whole image. ``masks`` and ``studies`` are their
    masks and the ids of their studies, in the same order.
    """

    files: tuple[Path, ...]
    slices: tuple[int | None, ...]
    masks: tuple[Path | None, ...]
    studies: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """The result of decoding a task.

    ``pixels`` is a digest of the decoded image, or "" if it cannot be decoded or is constant. ``resampled`` names masks
    whose grid differs from that of their images. ``acquisition`` describes how the image was acquired.
    """

    pixels: str = ""
    defects: tuple[str, ...] = ()
    resampled: tuple[str, ...] = ()
    acquisition: AcquisitionFacts | None = None


def tasks_of(studies: Iterable[Study]) -> list[DecodingTask]:
    """Return a task for each study; slices of the same volume share a task, so that it is decoded once."""
    studies_by_files: dict[tuple[Path, ...], list[Study]] = {}
    for study in studies:
        files = (slice_of(study.files[0])[0],) if len(study.files) == 1 else study.files
        studies_by_files.setdefault(files, []).append(study)
    return [
        DecodingTask(
            files,
            tuple(slice_of(study.files[0])[1] for study in group),
            tuple(study.mask for study in group),
            tuple(study.id for study in group),
        )
        for files, group in studies_by_files.items()
    ]


def decode(task: DecodingTask) -> Finding:
    """Decode the image and its masks, and resample the masks to the image's grid, as the evaluation does."""
    try:
        picture = read_picture(task.files, SETTINGS)
        _check_slices(picture, task)
    except UnreadableImage as error:
        return Finding(defects=(str(error),))
    defects, resampled = [], []
    for index, mask in zip(task.slices, task.masks, strict=True):
        if mask is None:
            continue
        try:
            image = picture if index is None else axial_slice(picture, index, task.files[0])
            if read_mask(mask, grid_of(image))[1]:
                resampled.append(mask.name)
        except MaskMismatch as error:
            defects.append(str(error))
        except UnreadableImage as error:
            defects.append(f"mask: {error}")
    acquisition = acquisition_facts(picture.array, picture.reading, picture.affine)
    return Finding(digest_of(picture.array), tuple(dict.fromkeys(defects)), tuple(resampled), acquisition)


def _check_slices(picture: Picture, task: DecodingTask) -> None:
    highest = max((index + 1 for index in task.slices if index is not None), default=0)
    there = picture.array.shape[-1] if picture.array.ndim == 4 else 1
    if highest and (picture.array.ndim != 4 or there < highest):
        reason = f"slice {highest} of it is listed and it has {there}"
        raise UnreadableImage(task.files[0], "missing", reason, "cut it anew, or correct the numbers after #z")
