"""Batch scoring with a model as PyTorch modules: the backend of :func:`medad.scoring.score_folder`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from medad.model import Card, Model
from medad.scoring.core.scorer import Scorer
from medad.scoring.core.settings import ScoreSettings
from medad.scoring.engine.backend import OnCluster
from medad.scoring.engine.jobs import Done, Job
from medad.scoring.engine.local import Drawing
from medad.scoring.engine.worker import Worker
from medad.scoring.index.file_info import Session


class WithTorch:
    """Implements :class:`medad.scoring.engine.backend.Backend` for a loaded model folder."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def card(self) -> Card:
        """Return the card of the model."""
        return self.model.card

    @property
    def digest(self) -> str:
        """Return the digest of the two files of the model folder."""
        return self.model.digest

    @property
    def scores(self) -> tuple[str, ...]:
        """Return the names of the method's scores."""
        return tuple(self.model.method.scores)

    @property
    def primary(self) -> str:
        """Return the method's own choice of a score."""
        return self.model.method.primary

    def worker(self, settings: ScoreSettings, out: Path, session: Session) -> Callable[[], Callable[[Job], Done]]:
        """Return what makes a worker that reads, prepares and draws with PyTorch."""
        return partial(Worker, self.model.card, self.model.method.settings, settings, out, session)

    def scorer(self) -> Scorer:
        """Start a scorer with as many threads as PyTorch has."""
        return Scorer(self.model.method, torch.get_num_threads())

    def on_ray(self, settings: ScoreSettings, drawing: Drawing, out: Path, workers: int) -> OnCluster:
        """Start an engine on a Ray cluster."""
        from medad.scoring.engine.on_ray import OnRay

        return OnRay(self.model, settings, drawing, out, workers)
