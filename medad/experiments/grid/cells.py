"""Run the cells of a grid on one machine, one after the other; each cell is an experiment in its own folder.

An engine receives the unfinished cells and the journal of their bench. It yields each cell when it ends, with the
reason if it failed, else None.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medad.config import Settings
from medad.data.loading import CACHE_BYTES, Loader
from medad.data.study_cache import default_cache
from medad.experiments.experiment import run_experiment
from medad.experiments.grid.grid import GridCell
from medad.shortage import shortage_of
from medad.tracking import Tracker, TrackingError
from medad.types import MedadError

log = logging.getLogger(__name__)


Ended = tuple[GridCell, str | None]
Engine = Callable[[Sequence[GridCell], Path], Iterator[Ended]]


class Loaders:
    """Share one loader among all experiments with the same image settings, so that each file is decoded once."""

    def __init__(self, device: str, cache_bytes: int = CACHE_BYTES) -> None:
        self.device = device
        self.cache_bytes = cache_bytes
        self._loaders: dict[tuple[object, ...], Loader] = {}

    def __call__(self, settings: Settings) -> Loader:
        """Return the loader for these settings."""
        key = (settings.size, settings.channels, settings.preset, settings.resampling)
        loader = Loader(settings, self.device, cache_bytes=self.cache_bytes, cache=default_cache())
        return self._loaders.setdefault(key, loader)


class OneByOne:
    """The engine for one machine, which runs the cells one after the other."""

    def __init__(self, loaders: Loaders, tracker: Tracker) -> None:
        self.loaders = loaders
        self.tracker = tracker

    def __call__(self, cells: Sequence[GridCell], bench: Path) -> Iterator[Ended]:
        """Run the cells and yield each when it has ended."""
        for cell in cells:
            yield cell, run_cell(cell, self.loaders, self.tracker, bench)


def run_cell(cell: GridCell, loaders: Loaders, tracker: Tracker, bench: Path) -> str | None:
    """Train, score and evaluate a cell in its folder; return the reason if it failed, else None.

    Raises:
        TrackingError: another process is working on this cell.
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
    except Exception as error:  # a lack of memory or a defect in one experiment must not stop the others
        if shortage := shortage_of(error):
            log.error("failed: %s: %s", name, shortage)
            return str(shortage)
        log.exception("failed: %s", name)
        return f"internal error ({type(error).__name__}: {error}); please report it"
    return None
