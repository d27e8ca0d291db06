"""Define what batch scoring needs of a model, in whatever form it is: as PyTorch modules, or exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medad.model_card import Card
from medad.scoring.core.entries import Entry, Pixels
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.engine.jobs import Done, Job
from medad.scoring.index.file_info import Session
from medad.types import Scored, Study

if TYPE_CHECKING:
    from medad.scoring.engine.local import Drawing

Engine = Callable[[Iterator[Study]], Iterator[tuple[Study, Entry]]]


class AnyScorer(Protocol):
    """Scores studies in passes of a fixed size."""

    @property
    def room(self) -> int:
        """Return the number of images that keeps all threads busy."""

    def __call__(self, studies: list[Pixels]) -> list[dict[str, Scored]]:
        """Return the scores and maps of each study by name of the score, given its slices (N, C, S, S)."""

    def close(self) -> None:
        """Stop the threads."""


class Backend(Protocol):
    """A model, the processes that read for it, and what scores with it. ``digest`` identifies its files."""

    @property
    def card(self) -> Card:
        """Return the card of the model."""

    @property
    def digest(self) -> str:
        """Return 16 hex digits that identify the files of the model."""

    @property
    def scores(self) -> tuple[str, ...]:
        """Return the names of the model's scores, in order."""

    @property
    def primary(self) -> str:
        """Return the score that ranks studies, unless the card names one."""

    def worker(self, settings: ScoreSettings, out: Path, session: Session) -> Callable[[], Callable[[Job], Done]]:
        """Return what makes a worker in its own process; the worker does jobs."""

    def scorer(self) -> AnyScorer:
        """Start a scorer."""

    def on_ray(self, settings: ScoreSettings, drawing: Drawing, out: Path, workers: int) -> OnCluster:
        """Start an engine on a Ray cluster. Raises ScoringError if the model cannot be scored there."""


class OnCluster(Protocol):
    """An engine that must be closed."""

    def __call__(self, studies: Iterator[Study]) -> Iterator[tuple[Study, Entry]]:
        """Yield each study with its entry, as soon as it is done."""

    def close(self) -> None:
        """Disconnect from the cluster."""
