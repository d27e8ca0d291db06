"""More than one machine: the same reading, scoring and drawing on a Ray cluster, through Ray Data.

The folder and the output folder have to be reachable under the same paths from all its machines. The ledger stays
here, with the process that was called: rows come back and are written as they are made. Every reader has a process of
its own for the decoders, with the time limit and the second try of pool.py, so that a bad file ends no actor. A study
is read once more for its heatmap, for its pixels may be on another machine; a thumbnail is made from the small picture
that goes along.
"""

from __future__ import annotations

import logging
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medad.cluster import Cluster, ClusterError
from medad.config import build
from medad.ledger import Entry
from medad.methods._method import Method
from medad.model import Card, Model
from medad.registry import methods
from medad.scoring.jobs import Done, Draw, Job, Read, Ready, Worker
from medad.scoring.local import Drawing, Result, drawn, entry_of, outcome_of
from medad.scoring.pool import Pool
from medad.scoring.scorer import Scorer
from medad.scoring.settings import ScoreSettings
from medad.types import Scored, Study

PAGE = 50_000  # studies in one pass through the cluster: each starts its actors anew, and its list is in memory
BATCH = 16
READERS = 8  # that keep one scorer busy, on a CPU
SHARE = 1 / 3  # of a core, for each reader, drawer and scorer: all find room, and the machine shares out the rest

Batch = dict[str, NDArray[Any]]


class OnRay:
    """Scores studies on a cluster; without an address, on one of its own on this machine, closed to all others."""

    def __init__(self, model: Model, settings: ScoreSettings, drawing: Drawing, out: Path, workers: int) -> None:
        self.cluster = Cluster(settings.address, workers + 1, torch.cuda.device_count())
        self.workers = settings.workers or (workers if settings.address is None else self.cluster.cpus)
        if self.workers > self.cluster.cpus:
            raise ClusterError(f"--workers {self.workers}: the cluster has {self.cluster.cpus} cores")
        self.gpus = self.cluster.gpus_for(settings.device)
        make = partial(Worker, model.card, model.method.settings, settings, out.resolve())
        tensors = {name: value.cpu().numpy() for name, value in model.method.state_dict().items()}
        self._reader: dict[str, Any] = {"fn_constructor_args": (make, settings.timeout)}
        self._scorer: dict[str, Any] = {
            "fn_constructor_args": (model.card, tensors, "cuda" if self.gpus else "cpu", drawing)
        }

    def __call__(self, studies: Iterator[Study]) -> Iterator[Result]:
        """The entry of each study, as they are done."""
        ray = self.cluster.ray
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="ray.data")  # fewer studies than actors are nothing to worry about
        pool = ray.data.ActorPoolStrategy
        several = {"batch_size": BATCH, "num_cpus": SHARE, "compute": pool(size=self.workers), **self._reader}
        scorers = pool(size=self.gpus or -(-self.workers // READERS))
        one = {"batch_size": 4 * BATCH, "num_cpus": SHARE, "num_gpus": min(1, self.gpus), **self._scorer}
        one["compute"] = scorers
        while page := list(islice(studies, PAGE)):
            rows = [{"row": pickle.dumps(_absolute(study))} for study in page]
            data = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH))
            data = data.map_batches(_Reader, **several).map_batches(_Scorer, **one)
            for row in data.map_batches(_Drawer, **several).iter_rows():
                study, entry = pickle.loads(row["row"])
                yield study, entry

    def close(self) -> None:
        """Leave the cluster."""
        self.cluster.close()


def _absolute(study: Study) -> Study:
    return Study(study.id, tuple(path.absolute() for path in study.files))


class _Reader:
    """Reads studies, with a process of its own."""

    def __init__(self, make: Callable[[], Callable[[Job], Done]], timeout: float) -> None:
        self.pool = Pool(1, make, timeout)

    def __call__(self, batch: Batch) -> Batch:
        """Studies -> (study, what the network takes, or the final entry)."""
        return _packed(self._done(Read(study) for study in _unpacked(batch)))

    def _done(self, jobs: Iterable[Read | Draw]) -> Iterator[tuple[Study, Ready | Entry]]:
        return (outcome_of(found) for found in self.pool.each(jobs))


class _Drawer(_Reader):
    """Draws maps, with a process of its own."""

    def __call__(self, batch: Batch) -> Batch:
        """(study, final entry), or (study, entry so far and the job) -> (study, final entry)."""
        rows: list[tuple[Study, Entry | tuple[Entry, Draw]]] = list(_unpacked(batch))
        final = [(study, one) for study, one in rows if isinstance(one, Entry)]
        begun = {study.id: one for study, one in rows if isinstance(one, tuple)}
        for study, done in self._done(job for _, job in begun.values()):
            if isinstance(done, Entry):
                final.append((study, drawn(begun[study.id][0], done)))
        return _packed(final)


class _Scorer:
    """Scores what has been read."""

    def __init__(self, card: Card, tensors: dict[str, NDArray[Any]], device: str, drawing: Drawing) -> None:
        kind = methods.get(card.method)
        method: Method = kind(build(kind.settings_model, card.settings, "the model card"))
        method.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
        self.scorer = Scorer(method.to(device).eval(), 1)
        self.drawing = drawing

    def __call__(self, batch: Batch) -> Batch:
        """(study, what the network takes, or the final entry) -> what a drawer takes."""
        rows: list[tuple[Study, Ready | Entry]] = list(_unpacked(batch))
        made: list[tuple[Study, object]] = [(study, one) for study, one in rows if isinstance(one, Entry)]
        ready = [(study, one) for study, one in rows if isinstance(one, Ready)]
        scored = self.scorer([one.slices for _, one in ready]) if ready else []
        for (study, one), scores in zip(ready, scored, strict=True):
            entry = entry_of(scores, one.seconds)
            drawable = entry.status == "scored"
            made.append((study, (entry, self._drawn(study, one, scores, entry)) if drawable else entry))
        return _packed(made)

    def _drawn(self, study: Study, ready: Ready, scores: dict[str, Scored], entry: Entry) -> Draw:
        job = self.drawing(study, scores, entry)
        return job if ready.preview is None else replace(job, shown=ready.preview[job.worst])


def _packed(rows: Iterable[object]) -> Batch:
    """Rows as bytes: Ray would try to make columns of their parts."""
    packed = [pickle.dumps(row) for row in rows]
    batch = np.empty(len(packed), dtype=object)
    batch[:] = packed
    return {"row": batch}


def _unpacked(batch: Batch) -> Iterator[Any]:
    return (pickle.loads(row) for row in batch["row"])
