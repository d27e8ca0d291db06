"""What a tracker is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medad.types import MedadError

if TYPE_CHECKING:
    import pandas as pd


class TrackingError(MedadError):
    """A tracking server or store that cannot be used."""


class Run(Protocol):
    """One run. Metrics may come from several threads."""

    @property
    def id(self) -> str:
        """What the tracker calls this run."""

    def params(self, values: Mapping[str, object]) -> None:
        """Settings, once for each run; the same again is no error."""

    def metric(self, name: str, value: float, step: int = 0) -> None:
        """One value of a metric."""

    def table(self, name: str, table: pd.DataFrame) -> None:
        """A table as the artifact ``name``."""

    def artifact(self, path: Path) -> None:
        """A file as an artifact."""


class Tracker(Protocol):
    """Opens runs. A run that ends by an exception is marked as failed, by Ctrl-C as killed."""

    def run(
        self, name: str, parent: Run | None = None, resume: str | None = None, tags: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Run]:
        """A new run, or the one with the ID ``resume`` if there still is one; a child of ``parent`` if given."""
