"""What a dataset is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from medad.data.splits import Pools
from medad.types import MedadError


class MissingDataset(MedadError):
    """A dataset that is not where it was looked for."""


class DatasetError(MedadError):
    """A dataset that is there and is not what it should be."""


class Dataset(ABC):
    """A benchmark: where its studies lie, what is known of them, and what it is called."""

    title: str

    @abstractmethod
    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """The studies below ``data_root``.

        ``out`` is the folder of the run, where a dataset that is made on the spot is written.

        Raises:
            MissingDataset: it is not there; the message says where it was expected.
            DatasetError: it is there, and incomplete or contradictory.
        """
