"""Define the interface of a dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medad.splits import Pools
from medad.types import MedadError

if TYPE_CHECKING:
    from medad.datasets.raw_downloads import RawCase

OFFICIAL, COUNTED, CUSTOM = "official", "counts as published", "custom split"


class MissingDataset(MedadError):
    """The dataset is not at the expected place."""


class DatasetError(MedadError):
    """The dataset exists, but is incomplete or contradictory."""


@dataclass(frozen=True)
class About:
    """What a user needs to know to get and to use a dataset.

    ``preset`` is the preset of data/presets.py that suits the scans, as an alternative to "published". ``counts``
    are the published sizes as (list, studies) pairs, with the list titles of LISTS in datasets/layouts.py. ``tasks``
    are "detection" (images get a score) and "localization" (there are masks).
    """

    title: str
    citation: str
    license: str
    source: str
    raw_layout: str
    prepared_layout: str
    modality: str
    preset: str
    counts: tuple[tuple[str, int], ...] = ()
    tasks: tuple[str, ...] = ("detection",)


@dataclass(frozen=True)
class Example:
    """A miniature of the files that a dataset reads.

    The contract tests write these files, so that a new dataset is tested without a test of its own. Paths are relative:
    to the raw download if the dataset has a parser of one, else to the dataset's folder below the data root. Of a
    benchmark with classes, the files are those of one class.

    ``normal`` and ``abnormal`` are the images that the dataset must find, with these labels; their suffixes say the
    format. ``masks`` are the masks of the abnormal images in the same order, or empty if there are none. ``unused`` are
    images that the dataset must leave out. ``texts`` are the contents of all other files by path.

    A split that is drawn from the example needs two test images of each label: 24 normal and 16 abnormal images do for
    the published proportions.
    """

    normal: tuple[str, ...]
    abnormal: tuple[str, ...]
    masks: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


def numbered(pattern: str, count: int, start: int = 0) -> tuple[str, ...]:
    """Return ``pattern`` with each of ``count`` numbers from ``start`` in place of its braces.

    >>> numbered("train/{:03d}.png", 2)
    ('train/000.png', 'train/001.png')
    """
    return tuple(pattern.format(number) for number in range(start, start + count))


class Dataset(ABC):
    """A benchmark: finds its studies on disk and describes itself.

    ``generated`` is true for a dataset that is made when it is first used. ``example`` is None for a generated dataset,
    and for a layout whose files the tests can make without a description.
    """

    about: About
    generated = False
    example: Example | None = None

    @property
    def title(self) -> str:
        """Return the name for tables and messages."""
        return self.about.title

    @abstractmethod
    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """Return the studies below ``data_root``.

        Args:
            data_root: the folder that holds a folder for each dataset; None if the user named none.
            out: the folder of the run, to which a generated dataset is written.

        Raises:
            MissingDataset: the dataset is not there; the message says where it was expected.
            DatasetError: the dataset is incomplete or contradictory.
        """

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Return every image of the raw download in ``raw``, sorted by name.

        Raises:
            DatasetError: a file is missing or wrong (the message gives the expected layout), or the dataset needs no
                preparation.
        """
        raise DatasetError(f"{self.title}: there is nothing to prepare: {self.about.raw_layout}")

    def parts(self, data_root: Path | None) -> list[str]:
        """Return the classes below ``data_root`` if the benchmark is one dataset for each class, else an empty list."""
        return []

    def part(self, name: str) -> Dataset:
        """Return the dataset of one class, for which "NAME:CLASS" stands.

        Raises:
            DatasetError: the benchmark has no classes, or ``name`` is not a class name.
        """
        raise DatasetError(f"{self.title} is one dataset: leave out {':' + name!r}")
