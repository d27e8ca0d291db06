"""The cells of a grid, each an experiment in its own folder, and how they are run on one machine: one after the other.

An engine is given the cells that are not finished, with the journal of the bench that they are part of. It yields each
cell as it ends, with the reason if it failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medad.config import Settings
from medad.data.loading import KEPT_BYTES, Loader
from medad.experiments.experiment import run_experiment
from medad.experiments.grid.grid import Cell
from medad.shortage import shortage_of
from medad.tracking import Tracker, TrackingError
from medad.types import MedadError

log = logging.getLogger(__name__)


Ended = tuple[Cell, str | None]
Engine = Callable[[Sequence[Cell], Path], Iterator[Ended]]


class Loaders:
    """One loader for all experiments that see images alike, so that each file is decoded once."""

    def __init__(self, device: str, keep_bytes: int = KEPT_BYTES) -> None:
        self.device = device
        self.keep_bytes = keep_bytes
        self._made: dict[tuple[object, ...], Loader] = {}

    def __call__(self, settings: Settings) -> Loader:
        """The loader for these settings."""
        sees = (settings.size, settings.channels, settings.preset, settings.resampling)
        return self._made.setdefault(sees, Loader(settings, self.device, keep_bytes=self.keep_bytes))


class OneByOne:
    """The engine of one machine."""

    def __init__(self, loaders: Loaders, tracker: Tracker) -> None:
        self.loaders = loaders
        self.tracker = tracker

    def __call__(self, cells: Sequence[Cell], bench: Path) -> Iterator[Ended]:
        """Each cell, once it has ended."""
        for cell in cells:
            yield cell, run_cell(cell, self.loaders, self.tracker, bench)


def run_cell(cell: Cell, loaders: Loaders, tracker: Tracker, bench: Path) -> str | None:
    """Train, score and judge; all of it lies in the cell's folder then. The reason, if it failed.

    Raises:
        TrackingError: another process is at work on this cell.
    """
    name = cell.folder.name
    cell.folder.mkdir(parents=True, exist_ok=True)
    log.info("run %s", name)
    try:
        with tracker.run("cell", cell.folder, bench, name) as run:
            run_experiment(cell.experiment, cell.pools, loaders(cell.experiment.settings), cell.folder, run)
    except TrackingError:
        raise
    except MedadError as error:
        log.error("failed: %s: %s", name, error)
        return str(error)
    except Exception as error:  # too little memory, or a defect in one experiment must not cost the night's others
        if shortage := shortage_of(error):
            log.error("failed: %s: %s", name, shortage)
            return str(shortage)
        log.exception("failed: %s", name)
        return f"internal error ({type(error).__name__}: {error}); please report it"
    return None
