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
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medad.config import build
from medad.io.pool import Pool
from medad.methods.base import Method
from medad.model import Card, Model
from medad.ray_cluster import Cluster, ClusterError
from medad.registry import methods
from medad.scoring.engine.local import Drawing, Result, drawn, entry_of, outcome_of
from medad.scoring.engine.worker import Done, Draw, Job, Read, Ready, Worker
from medad.scoring.index.ledger import Entry
from medad.scoring.scorer import Scorer
from medad.scoring.settings import ScoreSettings
from medad.types import MedadError, Scored, Study

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
        self.out = out.resolve()
        make = partial(Worker, model.card, model.method.settings, settings, self.out)
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
            yield from self._rows(data.map_batches(_Drawer, **several))

    def _rows(self, data: Any) -> Iterator[Result]:
        """What the last stage gives, or what ended one of them.

        Raises:
            MedadError: a stage cannot go on, the pictures are not in the output folder, or the cluster fails.
        """
        exceptions = self.cluster.ray.exceptions
        try:
            for row in data.iter_rows():
                found = pickle.loads(row["row"])
                if isinstance(found, MedadError):
                    raise found
                study, entry = found
                picture = entry.facts.get("thumbnail")
                if picture and not (self.out / str(picture)).exists():
                    raise ClusterError(
                        f"{self.out}: what the cluster drew is not there: do its machines share this folder?"
                    )
                yield study, entry
        except exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            said = lines[-1] if isinstance(error, exceptions.RayTaskError) else lines[0]
            raise ClusterError(f"the cluster failed ({said}); the same command goes on from here") from None

    def close(self) -> None:
        """Leave the cluster."""
        self.cluster.close()


def _absolute(study: Study) -> Study:
    return replace(study, files=tuple(path.absolute() for path in study.files))


class _Stage(ABC):
    """A stage of the pipeline. What ends it is a row too, for Ray would only keep its text."""

    def __call__(self, batch: Batch) -> Batch:
        """Rows, as bytes -> those of the next stage; or what ended this one or one before."""
        rows = [pickle.loads(row) for row in batch["row"]]
        ended = [row for row in rows if isinstance(row, MedadError)]
        try:
            return _packed(ended or self.work(rows))
        except MedadError as error:
            return _packed([error])

    @abstractmethod
    def work(self, rows: list[Any]) -> Iterable[object]:
        """The rows of the next stage."""


class _Reader(_Stage):
    """Reads studies, with a process of its own: studies -> (study, what the network takes, or the final entry)."""

    def __init__(self, make: Callable[[], Callable[[Job], Done]], timeout: float) -> None:
        self.pool: Pool[Job] = Pool(1, make, timeout)

    def work(self, rows: list[Any]) -> Iterable[object]:
        """Read."""
        return self.done(Read(study) for study in rows)

    def done(self, jobs: Iterable[Read | Draw]) -> Iterator[tuple[Study, Ready | Entry]]:
        """What came of ``jobs``, in any order."""
        return (outcome_of(found) for found in self.pool.each(jobs))


class _Drawer(_Reader):
    """Draws maps: (study, final entry), or (study, entry so far and the job) -> (study, final entry)."""

    def work(self, rows: list[Any]) -> Iterable[object]:
        """Draw."""
        yield from ((study, one) for study, one in rows if isinstance(one, Entry))
        begun = {study.id: one for study, one in rows if isinstance(one, tuple)}
        for study, done in self.done(job for _, job in begun.values()):
            if isinstance(done, Entry):
                yield study, drawn(begun[study.id][0], done)


class _Scorer(_Stage):
    """Scores: (study, what the network takes, or the final entry) -> what a drawer takes."""

    def __init__(self, card: Card, tensors: dict[str, NDArray[Any]], device: str, drawing: Drawing) -> None:
        kind = methods.get(card.method)
        method: Method = kind(build(kind.settings_model, card.settings, "the model card"))
        method.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
        self.scorer = Scorer(method.to(device).eval(), 1)
        self.drawing = drawing

    def work(self, rows: list[Any]) -> Iterable[object]:
        """Score."""
        yield from ((study, one) for study, one in rows if isinstance(one, Entry))
        ready = [(study, one) for study, one in rows if isinstance(one, Ready)]
        scored = self.scorer([one.slices for _, one in ready]) if ready else []
        for (study, one), scores in zip(ready, scored, strict=True):
            entry = entry_of(scores, one.seconds)
            drawable = entry.status == "scored"
            yield study, (entry, self._drawn(study, one, scores, entry)) if drawable else entry

    def _drawn(self, study: Study, ready: Ready, scores: dict[str, Scored], entry: Entry) -> Draw:
        job = self.drawing(study, scores, entry)
        return job if ready.preview is None else replace(job, shown=ready.preview[job.worst])


def _packed(rows: Iterable[object]) -> Batch:
    """Rows as bytes: Ray would try to make columns of their parts."""
    packed = [pickle.dumps(row) for row in rows]
    batch = np.empty(len(packed), dtype=object)
    batch[:] = packed
    return {"row": batch}
