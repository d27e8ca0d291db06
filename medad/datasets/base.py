"""What a dataset is."""

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
    """A dataset that is not where it was looked for."""


class DatasetError(MedadError):
    """A dataset that is there and is not what it should be."""


@dataclass(frozen=True)
class About:
    """What a user has to know to get a dataset and to use it.

    ``preset`` is the one of data/transforms.py that suits its scans where the published one is not wanted; ``counts``
    are the published sizes, a (list, studies) pair each, in the words of LISTS in _medad_layout.py for a dataset that
    has them; ``tasks`` are "detection" (an image gets a score) and "localization" (there are masks).
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
    """A benchmark: where its studies lie, what is known of them, and what it is called."""

    about: About

    @property
    def title(self) -> str:
        """What it is called."""
        return self.about.title

    @abstractmethod
    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """The studies below ``data_root``.

        ``out`` is the folder of the run, where a dataset that is made on the spot is written.

        Raises:
            MissingDataset: it is not there; the message says where it was expected.
            DatasetError: it is there, and incomplete or contradictory.
        """

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Every image of the raw download in ``raw``, sorted by name.

        Raises:
            DatasetError: a file is missing or wrong, and the layout that is expected; or there is nothing to prepare.
        """
        raise DatasetError(f"{self.title}: there is nothing to prepare: {self.about.raw_layout}")

    def parts(self, data_root: Path | None) -> list[str]:
        """The classes below ``data_root`` of a benchmark that is one dataset for each class; else none."""
        return []

    def part(self, name: str) -> Dataset:
        """One class of such a benchmark: what "NAME:CLASS" stands for."""
        raise DatasetError(f"{self.title} is one dataset: leave out {':' + name!r}")
