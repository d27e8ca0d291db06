"""Cases of every kind of source, each with a map that has a blob at a place of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from helpers import dicom_sources as sources
from pydicom.dataset import Dataset

from medad.outputs.dicom.result import CaseResult, ModelFacts, Verdict
from medad.outputs.dicom.source import read_source
from medad.outputs.pictures import Scale

SCALE = Scale("rec", 0.3, 0.9, "normals' 99th percentile")
VERDICT = Verdict("rec", 0.51, 97.5, 0.025, 40, 0.05, "sens 90", 0.4, True, "alpha;threshold:sens 90")
MODEL = ModelFacts("ddad", "0.1", "abcdef0123456789")
BLOB = (3, 25, 9)  # slice, row, column


def images(count: int = 5) -> np.ndarray:
    """Slices (N, rows, columns) of noise."""
    return np.random.default_rng(1).integers(0, 255, (count, *sources.SIDE)).astype(np.uint8)


def heat(count: int) -> np.ndarray:
    """A map (N, rows, columns): a ball around ``BLOB``, and 0 far from it."""
    places = np.stack(np.meshgrid(*map(np.arange, (count, *sources.SIDE)), indexing="ij"), -1)
    center = (min(BLOB[0], count - 1), *BLOB[1:])
    distance = np.linalg.norm((places - center) * (4, 1, 1), axis=-1)
    return np.maximum(0, 1 - distance / 7).astype(np.float32)


def result_of(paths: list[Path]) -> CaseResult:
    """The result of the case in ``paths``."""
    source = read_source(paths)
    count = len(source.frames) or len(source.headers)
    worst = min(BLOB[0], count - 1)
    return CaseResult(source, heat(count), images(count)[worst].astype(np.float32), worst, SCALE, VERDICT, MODEL)


def _without(dataset: Dataset, *keywords: str) -> Dataset:
    for keyword in keywords:
        del dataset[keyword]
    return dataset


SOURCES: dict[str, Callable[[], list[Dataset]]] = {
    "axial": lambda: sources.series(images()),
    "flipped": lambda: sources.series(images(), sources.FLIPPED),
    "sagittal": lambda: sources.series(images(), sources.SAGITTAL),
    "oblique": lambda: sources.series(images(), sources.OBLIQUE, BodyPartExamined="KNEE"),
    "without thickness": lambda: [_without(one, "SliceThickness", "StudyID") for one in sources.series(images())],
    "one slice": lambda: sources.series(images(1)),
    "enhanced": lambda: [sources.enhanced(sources.series(images(), sources.OBLIQUE))],
    "CR": lambda: [sources.instance(1, images()[0], "CR", BodyPartExamined="CHEST", ViewPosition="PA")],
    "DX": lambda: [sources.instance(1, images()[0], "DX", BodyPartExamined="KNEE", ImageLaterality="L")],
    "color": lambda: [sources.instance(1, np.stack([images()[0]] * 3, -1), "US")],
}
