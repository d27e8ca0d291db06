"""Run the cells of a grid on a Ray cluster; each cell is a task that waits until a machine has room for it.

The folders of results and data and the weight files must be reachable under the same paths from all machines, and medad
must be installed on them. A cell records itself in its journal, which this process sends when the cell has ended. If
the process of a cell is lost, the cell is tried once more and continues from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from medad.data.loading import CACHE_BYTES
from medad.experiments.grid.cells import Ended, Loaders, run_cell
from medad.experiments.grid.grid import GridCell
from medad.ray_cluster import Cluster, ClusterError, Machine
from medad.tracking import Tracker
from medad.types import MedadError

log = logging.getLogger(__name__)
TRIES = 2
SECONDS_BETWEEN_LOOKS = 30.0  # between checks of the machines while no cell ends
PATIENCE = 10.0  # seconds to wait for processes to end


class OnRay:
    """The engine for a cluster: each cell gets a GPU if there are any, else some cores.

    ``threads`` is the number of cores of a cell; 0 divides the cores among the cells.
    """

    def __init__(self, cluster: Cluster, device: str, threads: int, tracker: Tracker) -> None:
        self.cluster = cluster
        self.threads = threads
        self.tracker = tracker
        self.gpus = cluster.gpus_for(device)

    def __call__(self, cells: Sequence[GridCell], bench: Path) -> Iterator[Ended]:
        """Run the cells and yield each when it has ended, in order of completion."""
        if not cells:
            return
        ray, threads = self.cluster.ray, self._share(len(cells))
        device = "cuda" if self.gpus else "cpu"
        log.info("%d cells on the cluster, each with %d threads on %s", len(cells), threads, device)
        run = ray.remote(num_cpus=threads, num_gpus=1 if self.gpus else 0, max_retries=0)(_run)
        shared = bench, Path.cwd(), device, threads
        at_work = {run.remote(cell, *shared): (cell, 1) for cell in cells}
        try:
            while at_work:
                with self.cluster.explained():
                    done, _ = ray.wait(list(at_work), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
                if not done:
                    self._check_room(threads)
                    continue
                (ready,) = done
                cell, tries = at_work.pop(ready)
                try:
                    trouble = ray.get(ready)
                except ray.exceptions.RayTaskError as error:
                    raise _bench_error(error.cause) from None
                except ray.exceptions.RayError as error:  # out of memory, process killed or machine lost
                    trouble = f"its process on the cluster was lost {TRIES} times: {str(error).splitlines()[0]}"
                    log.warning("%s: its process on the cluster was lost", cell.folder.name)
                    if tries < TRIES:
                        at_work[run.remote(cell, *shared)] = cell, tries + 1
                        continue
                self.tracker.catch_up(cell.folder)
                yield cell, trouble
        finally:
            self._stop(at_work)

    def _stop(self, at_work: Mapping[Any, tuple[GridCell, int]]) -> None:
        """Cancel the running cells and send their journals to MLflow."""
        ray = self.cluster.ray
        for call in at_work:
            ray.cancel(call, force=True)
        if at_work:
            ray.wait(list(at_work), num_returns=len(at_work), timeout=PATIENCE)
        for cell, _ in at_work.values():
            self.tracker.catch_up(cell.folder)

    def _usable(self) -> list[Machine]:
        """Return the machines that cells can run on.

        Raises:
            ClusterError: the cluster has no such machine.
        """
        machines = [machine for machine in self.cluster.machines if machine.gpus or not self.gpus]
        if not machines:
            raise ClusterError(
                "the Ray cluster has no machine with a GPU any more: wait until it is back, or use --device cpu; the "
                "same command goes on from here"
            )
        return machines

    def _check_room(self, threads: int) -> None:
        """Check that a machine has enough cores for a cell, which would otherwise wait forever.

        Raises:
            ClusterError: all remaining machines are too small.
        """
        most_cores = max(machine.cores for machine in self._usable())
        if threads > most_cores:
            raise ClusterError(
                f"the Ray cluster has lost machines, and the largest that is left has {most_cores} cores of the "
                f"{threads} that a cell was given: give the same command again, or a smaller --threads"
            )

    def _share(self, cells: int) -> int:
        """Return the number of threads of each of ``cells`` cells.

        Raises:
            ClusterError: no machine has the requested number of cores.
        """
        machines = self._usable()
        most_cores = max(machine.cores for machine in machines)
        if self.threads > most_cores:
            raise ClusterError(f"--threads {self.threads}: the largest machine that can be used has {most_cores} cores")
        if self.gpus:
            return self.threads or max(1, min(machine.cores // machine.gpus for machine in machines))
        return self.threads or max(1, min(*(machine.cores for machine in machines), self.cluster.cpus // cells))


def _bench_error(cause: BaseException) -> MedadError:
    """Return a medad error as it is, and any other cause as the error that medad does not run on the machine."""
    if isinstance(cause, MedadError):
        return cause
    cause_text = f"{type(cause).__name__}: {cause}"
    return ClusterError(f"a machine of the cluster cannot run medad ({cause_text}): install this version of it on all")


def _run(cell: GridCell, bench: Path, home: Path, device: str, threads: int) -> str | None:
    """Run a cell on a machine of the cluster; return the reason if it failed, else None."""
    import torch

    torch.set_num_threads(threads)
    with contextlib.suppress(OSError):
        os.chdir(home)  # relative paths in the settings refer to it
    cache_bytes = CACHE_BYTES * threads // len(os.sched_getaffinity(0))
    return run_cell(cell, _loaders(device, min(cache_bytes, CACHE_BYTES)), Tracker(), bench)


@lru_cache(maxsize=1)
def _loaders(device: str, cache_bytes: int) -> Loaders:
    """Return the loaders of this process, which reuse decoded files for its next cell."""
    return Loaders(device, cache_bytes)
