"""Score on several machines: the same reading, scoring and drawing on a Ray cluster, through Ray Data.

All machines must reach the folder and the output folder under the same paths. The ledger stays with the calling
process, which writes rows as they come back. Every reader has its own process for the decoders, with the time limit and
the second try of ``medad/io/pool.py``, so that a bad file ends no actor. A study is read again for its heatmap, since
its pixels may be on another machine; its thumbnail is drawn from a small preview that is sent along.
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
from medad.scoring.core.entries import Entry
from medad.scoring.core.scorer import Scorer
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.engine.jobs import Done, Draw, Job, Read, Ready
from medad.scoring.engine.local import Drawing, Result, drawn, entry_of, outcome_of
from medad.scoring.engine.worker import Worker
from medad.types import MedadError, Scored, Study

PAGE = 50_000  # studies in one pass through the cluster: each pass restarts the actors, and its list is in memory
BATCH = 16
READERS = 8  # the number of readers that keeps one scorer on a CPU busy
SHARE = 1 / 3  # of a core for each reader, drawer and scorer, so that all fit; the system divides the real cores

Batch = dict[str, NDArray[Any]]


class OnRay:
    """Scores studies on a Ray cluster; without an address, on a private cluster on this machine."""

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
        """Yield each study with its entry, as soon as it is done."""
        ray = self.cluster.ray
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        warnings.filterwarnings(
            "ignore", module="ray.data"
        )  # it warns if there are fewer studies than actors, which does no harm
        pool = ray.data.ActorPoolStrategy
        reader_options = {"batch_size": BATCH, "num_cpus": SHARE, "compute": pool(size=self.workers), **self._reader}
        scorers = pool(size=self.gpus or -(-self.workers // READERS))
        scorer_options = {"batch_size": 4 * BATCH, "num_cpus": SHARE, "num_gpus": min(1, self.gpus), **self._scorer}
        scorer_options["compute"] = scorers
        while page := list(islice(studies, PAGE)):
            rows = [{"row": pickle.dumps(_absolute(study))} for study in page]
            data = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH))
            data = data.map_batches(_Reader, **reader_options).map_batches(_Scorer, **scorer_options)
            yield from self._rows(data.map_batches(_Drawer, **reader_options))

    def _rows(self, data: Any) -> Iterator[Result]:
        """Yield the rows of the last stage.

        Raises:
            MedadError: a stage has ended with this error.
            ClusterError: the pictures are missing in the output folder, or the cluster fails.
        """
        exceptions = self.cluster.ray.exceptions
        try:
            for row in data.iter_rows():
                result = pickle.loads(row["row"])
                if isinstance(result, MedadError):
                    raise result
                study, entry = result
                picture = entry.facts.get("thumbnail")
                if picture and not (self.out / str(picture)).exists():
                    raise ClusterError(
                        f"{self.out}: what the cluster drew is not there: do its machines share this folder?"
                    )
                yield study, entry
        except exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            cause = lines[-1] if isinstance(error, exceptions.RayTaskError) else lines[0]
            raise ClusterError(f"the cluster failed ({cause}); the same command goes on from here") from None

    def close(self) -> None:
        """Disconnect from the cluster."""
        self.cluster.close()


def _absolute(study: Study) -> Study:
    """Return ``study`` with absolute paths, which other machines can open."""
    return replace(study, files=tuple(path.absolute() for path in study.files))


class _Stage(ABC):
    """A stage of the pipeline. An error that ends it is passed on as a row: Ray would keep only its text."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the rows of the next stage as bytes, or the error that ended this stage or an earlier one."""
        rows = [pickle.loads(row) for row in batch["row"]]
        ended = [row for row in rows if isinstance(row, MedadError)]
        try:
            return _packed(ended or self.work(rows))
        except MedadError as error:
            return _packed([error])

    @abstractmethod
    def work(self, rows: list[Any]) -> Iterable[object]:
        """Return the rows of the next stage."""


class _Reader(_Stage):
    """Reads studies in a process of its own. It turns studies into (study, network input or final entry)."""

    def __init__(self, make: Callable[[], Callable[[Job], Done]], timeout: float) -> None:
        self.pool: Pool[Job] = Pool(1, make, timeout)

    def work(self, rows: list[Any]) -> Iterable[object]:
        """Read the studies ``rows``."""
        return self.done(Read(study) for study in rows)

    def done(self, jobs: Iterable[Read | Draw]) -> Iterator[tuple[Study, Ready | Entry]]:
        """Return the study and the result of each of ``jobs``, in any order."""
        return (outcome_of(outcome) for outcome in self.pool.each(jobs))


class _Drawer(_Reader):
    """Draws maps. It turns (study, final entry) or (study, (entry with scores, job)) into (study, final entry)."""

    def work(self, rows: list[Any]) -> Iterable[object]:
        """Draw the studies among ``rows`` that have a job."""
        yield from ((study, item) for study, item in rows if isinstance(item, Entry))
        begun = {study.id: item for study, item in rows if isinstance(item, tuple)}
        for study, done in self.done(job for _, job in begun.values()):
            if isinstance(done, Entry):
                yield study, drawn(begun[study.id][0], done)


class _Scorer(_Stage):
    """Scores studies. It turns (study, network input or final entry) into the rows that :class:`_Drawer` takes."""

    def __init__(self, card: Card, tensors: dict[str, NDArray[Any]], device: str, drawing: Drawing) -> None:
        kind = methods.get(card.method)
        method: Method = kind(build(kind.settings_model, card.settings, "the model card"))
        method.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
        self.scorer = Scorer(method.to(device).eval(), 1)
        self.drawing = drawing

    def work(self, rows: list[Any]) -> Iterable[object]:
        """Score the studies among ``rows`` that have no final entry."""
        yield from ((study, item) for study, item in rows if isinstance(item, Entry))
        ready = [(study, item) for study, item in rows if isinstance(item, Ready)]
        scored = self.scorer([item.slices for _, item in ready]) if ready else []
        for (study, item), scores in zip(ready, scored, strict=True):
            entry = entry_of(scores, item.seconds)
            drawable = entry.status == "scored"
            yield study, (entry, self._draw_job(study, item, scores, entry)) if drawable else entry

    def _draw_job(self, study: Study, ready: Ready, scores: dict[str, Scored], entry: Entry) -> Draw:
        """Return the job that draws ``study``, with the preview of its worst slice."""
        job = self.drawing(study, scores, entry)
        return job if ready.preview is None else replace(job, preview=ready.preview[job.worst])


def _packed(rows: Iterable[object]) -> Batch:
    """Return the rows as bytes: Ray would try to make columns of their parts."""
    packed = [pickle.dumps(row) for row in rows]
    batch = np.empty(len(packed), dtype=object)
    batch[:] = packed
    return {"row": batch}
