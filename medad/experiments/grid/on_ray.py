"""The cells of a grid on a Ray cluster: a task each, which waits there until a machine has room for it.

The folder of the results, those of the data and files of weights have to be reachable under the same paths from all its
machines, and medad has to be installed on them. A cell records itself in its journal, which this process sends once the
cell has ended. A cell whose process is lost is tried once more, and goes on from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from medad.data.loading import KEPT_BYTES
from medad.experiments.grid.cells import Ended, Loaders, run_cell
from medad.experiments.grid.grid import Cell
from medad.ray_cluster import Cluster, ClusterError, Machine
from medad.tracking import Tracker
from medad.types import MedadError

log = logging.getLogger(__name__)
TRIES = 2
SECONDS_BETWEEN_LOOKS = 30.0  # at the machines, while no cell ends
PATIENCE = 10.0  # seconds for processes to end


class OnRay:
    """The engine of a cluster: a GPU for each cell, where there are any, else some cores.

    ``threads`` are the cores of a cell; 0 shares them out among the cells.
    """

    def __init__(self, cluster: Cluster, device: str, threads: int, tracker: Tracker) -> None:
        self.cluster = cluster
        self.threads = threads
        self.tracker = tracker
        self.gpus = cluster.gpus_for(device)

    def __call__(self, cells: Sequence[Cell], bench: Path) -> Iterator[Ended]:
        """Each cell, once it has ended; the first that is done is the first."""
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
                except ray.exceptions.RayError as error:  # no memory left, the process killed, the machine gone
                    trouble = f"its process on the cluster was lost {TRIES} times: {str(error).splitlines()[0]}"
                    log.warning("%s: its process on the cluster was lost", cell.folder.name)
                    if tries < TRIES:
                        at_work[run.remote(cell, *shared)] = cell, tries + 1
                        continue
                self.tracker.catch_up(cell.folder)
                yield cell, trouble
        finally:
            self._stop(at_work)

    def _stop(self, at_work: Mapping[Any, tuple[Cell, int]]) -> None:
        """End what is at work, and its runs in MLflow."""
        ray = self.cluster.ray
        for call in at_work:
            ray.cancel(call, force=True)
        if at_work:
            ray.wait(list(at_work), num_returns=len(at_work), timeout=PATIENCE)
        for cell, _ in at_work.values():
            self.tracker.catch_up(cell.folder)

    def _usable(self) -> list[Machine]:
        """The machines that cells can run on.

        Raises:
            ClusterError: there are none, or none any more.
        """
        machines = [machine for machine in self.cluster.machines if machine.gpus or not self.gpus]
        if not machines:
            raise ClusterError(
                "the Ray cluster has no machine with a GPU any more: wait until it is back, or use --device cpu; the "
                "same command goes on from here"
            )
        return machines

    def _check_room(self, threads: int) -> None:
        """Cells that no machine has room for would wait forever.

        Raises:
            ClusterError: the machines that are left are too small.
        """
        most = max(machine.cores for machine in self._usable())
        if threads > most:
            raise ClusterError(
                f"the Ray cluster has lost machines, and the largest that is left has {most} cores of the {threads} "
                "that a cell was given: give the same command again, or a smaller --threads"
            )

    def _share(self, cells: int) -> int:
        """The threads of a cell."""
        machines = self._usable()
        most = max(machine.cores for machine in machines)
        if self.threads > most:
            raise ClusterError(f"--threads {self.threads}: the largest machine that can be used has {most} cores")
        if self.gpus:
            return self.threads or max(1, min(machine.cores // machine.gpus for machine in machines))
        return self.threads or max(1, min(*(machine.cores for machine in machines), self.cluster.cpus // cells))


def _bench_error(cause: BaseException) -> MedadError:
    """What ends the bench here as well, or that medad does not run there."""
    if isinstance(cause, MedadError):
        return cause
    cause_text = f"{type(cause).__name__}: {cause}"
    return ClusterError(f"a machine of the cluster cannot run medad ({cause_text}): install this version of it on all")


def _run(cell: Cell, bench: Path, home: Path, device: str, threads: int) -> str | None:
    """On a machine of the cluster: why the cell failed, or None."""
    import torch

    torch.set_num_threads(threads)
    with contextlib.suppress(OSError):
        os.chdir(home)  # what the settings name relative to it
    keep_bytes = KEPT_BYTES * threads // len(os.sched_getaffinity(0))
    return run_cell(cell, _loaders(device, min(keep_bytes, KEPT_BYTES)), Tracker(), bench)


@lru_cache(maxsize=1)
def _loaders(device: str, keep_bytes: int) -> Loaders:
    """What a process has decoded it keeps for its next cell."""
    return Loaders(device, keep_bytes)
