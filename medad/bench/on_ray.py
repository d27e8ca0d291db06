"""The cells of a grid on a Ray cluster, as many at a time as it has room for.

The folder of the results and those of the data have to be reachable under the same paths from all its machines, and
medad has to be installed on them. A cell records itself in its journal, which this process sends once the cell has
ended. A cell whose process is lost is tried once more, and goes on from its last checkpoint.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medad.bench.cells import KEPT_BYTES, Cell, Ended, Loaders, run_cell
from medad.cluster import Cluster, ClusterError
from medad.tracking import Tracker

log = logging.getLogger(__name__)
TRIES = 2
LOST = "its process on the cluster was lost twice (no memory left, or the machine gone): see Ray's own logs"


class OnRay:
    """The engine of a cluster: a GPU for each cell that is run, where there are any, else some cores.

    ``threads`` are the cores of a cell; 0 shares them out among the cells.
    """

    def __init__(self, cluster: Cluster, device: str, threads: int, tracker: Tracker) -> None:
        self.ray = cluster.ray
        self.cluster = cluster
        self.threads = threads
        self.tracker = tracker
        self.gpus = cluster.gpus_for(device)

    def __call__(self, cells: Sequence[Cell], bench: Path) -> Iterator[Ended]:
        """Each cell, once it has ended; the first that is done is the first."""
        if not cells:
            return
        room, threads = self._shares(len(cells))
        log.info("%d cells at a time on the cluster, %d threads each", room, threads)
        waiting = deque((cell, 1) for cell in cells)
        at_work: dict[Any, tuple[Cell, int, Any]] = {}
        made: list[Any] = []
        idle: list[Any] = []
        try:
            while waiting or at_work:
                while waiting and len(at_work) < room:
                    cell, tries = waiting.popleft()
                    if not idle:
                        idle.append(self._runner(room, threads))
                        made.append(idle[-1])
                    runner = idle.pop()
                    at_work[runner.run.remote(cell, bench)] = cell, tries, runner
                (ready,), _ = self.ray.wait(list(at_work), num_returns=1)
                cell, tries, runner = at_work.pop(ready)
                try:
                    trouble = self.ray.get(ready)
                except self.ray.exceptions.RayActorError:
                    log.warning("the process of %s on the cluster was lost", cell.folder.name)
                    if tries < TRIES:
                        waiting.append((cell, tries + 1))
                        continue
                    trouble = LOST
                except self.ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                else:
                    idle.append(runner)
                self.tracker.catch_up(cell.folder)
                yield cell, trouble
        finally:
            for runner in made:
                self.ray.kill(runner)

    def _shares(self, cells: int) -> tuple[int, int]:
        """How many cells are run at a time, and the threads of each."""
        machines, cpus = self.cluster.machines, self.cluster.cpus
        if self.threads > machines[-1]:
            raise ClusterError(f"--threads {self.threads}: the largest machine of the cluster has {machines[-1]} cores")
        threads = self.threads or max(1, min(machines[0], cpus // min(cells, self.gpus or cells)))
        return min(cells, self.gpus or max(1, cpus // threads)), threads

    def _runner(self, room: int, threads: int) -> Any:
        asked = {"num_cpus": threads, "num_gpus": 1 if self.gpus else 0, "max_restarts": 0}
        return (
            self.ray.remote(_Runner)
            .options(**asked)
            .remote("cuda" if self.gpus else "cpu", threads, KEPT_BYTES // room)
        )


class _Runner:
    """A process of the cluster that runs cells; what it has decoded it keeps for the next one."""

    def __init__(self, device: str, threads: int, keep_bytes: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.loaders = Loaders(device, keep_bytes)

    def run(self, cell: Cell, bench: Path) -> str | None:
        """Why the cell failed, or None."""
        return run_cell(cell, self.loaders, Tracker(), bench)
