"""Score folders with an exported model: the backend of :func:`medad.scoring.score_folder_with` without PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from medad.export.onnx_model import OnnxModel, as_scored
from medad.export.onnx_worker import OnnxWorker
from medad.model_card import Card
from medad.scoring.core.entries import Pixels
from medad.scoring.core.settings import ScoreSettings, ScoringError
from medad.scoring.engine.backend import OnCluster
from medad.scoring.engine.jobs import Done, Job
from medad.scoring.engine.local import Drawing
from medad.scoring.index.file_info import Session
from medad.types import Scored


class OnnxScorer:
    """Scores ``threads`` passes in parallel, with one thread each; implements AnyScorer."""

    def __init__(self, model: OnnxModel, threads: int) -> None:
        self.model, self.threads = model, threads
        self.block = model.description.block
        self._pool = ThreadPoolExecutor(threads)

    @property
    def room(self) -> int:
        """Return the number of images that keeps all threads busy."""
        return self.block * self.threads

    def __call__(self, studies: list[Pixels]) -> list[dict[str, Scored]]:
        """Return the scores and maps of each study by name of the score, given its slices (N, C, S, S)."""
        images = np.concatenate(studies)
        parts = [images[start : start + self.block] for start in range(0, len(images), self.block)]
        results = list(self._pool.map(self.model.score, parts))
        ends = [0, *accumulate(len(slices) for slices in studies)]
        scored = {name: _fields([result[name] for result in results]) for name in self.model.description.names}
        return [
            {name: as_scored(*(field[start:end] for field in fields)) for name, fields in scored.items()}
            for start, end in pairwise(ends)
        ]

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()


def _fields(results: list[Scored]) -> list[Pixels]:
    """Return score, map and members of several passes, each concatenated."""
    return [
        np.concatenate([np.asarray(getattr(result, name)) for result in results])
        for name in ("score", "anomaly_map", "members")
    ]


class WithOnnx:
    """Implements :class:`medad.scoring.engine.backend.Backend` for an exported model."""

    def __init__(self, model: OnnxModel, threads: int) -> None:
        self.model, self.threads = model, threads

    @property
    def card(self) -> Card:
        """Return the card of the model that was exported."""
        return self.model.description.card

    @property
    def digest(self) -> str:
        """Return the digest of the file."""
        return self.model.digest

    @property
    def scores(self) -> tuple[str, ...]:
        """Return the names of the scores."""
        return self.model.description.names

    @property
    def primary(self) -> str:
        """Return the method's own choice of a score."""
        return self.model.description.primary

    def worker(self, settings: ScoreSettings, out: Path, session: Session) -> Callable[[], Callable[[Job], Done]]:
        """Return what makes a worker that reads, prepares and draws with NumPy."""
        return partial(OnnxWorker, self.model.description, settings, out, session)

    def scorer(self) -> OnnxScorer:
        """Start a scorer."""
        return OnnxScorer(self.model, self.threads)

    def on_ray(self, settings: ScoreSettings, drawing: Drawing, out: Path, workers: int) -> OnCluster:
        """Raise ScoringError: an exported model is scored on one machine."""
        raise ScoringError(
            "an exported model is scored on one machine: leave out --engine ray, or score the model folder"
        )
