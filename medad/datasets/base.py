"""Define the interface of a dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
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


class Dataset(ABC):
    """A benchmark: finds its studies on disk and describes itself."""

    about: About

    @property
    def title(self) -> str:
        """Return the name for tables and messages."""
        return self.about.title

    @abstractmethod
    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """Return the studies below ``data_root``.

        ``out`` is the folder of the run, to which a generated dataset is written.

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
