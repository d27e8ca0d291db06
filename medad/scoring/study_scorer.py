"""Score single studies in one process, as the batch engine scores a folder.

Both are made of the same parts: :mod:`medad.scoring.core.preparation` (reading, gate, preprocessing),
:mod:`medad.scoring.core.scorer` (blocks of one fixed size), :mod:`medad.scoring.core.pooled` (pooling and the check for
scores that are not finite) and :mod:`medad.scoring.core.flagging` (p-values, percentiles and flags). So a study has the
same scores, to the last bit, whichever way it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from medad.io import UnreadableImage, discover
from medad.io.image import Image
from medad.model import Model
from medad.scoring.core.flagging import FLAGGED_BY, Verdicts
from medad.scoring.core.pooled import NonFinite, pooled
from medad.scoring.core.preparation import Preparation, Prepared, Refused
from medad.scoring.core.scorer import Scorer
from medad.types import MedadError, Scored, Skipped, Study

Source = Study | Image | MedadError


@dataclass(frozen=True)
class StudyScore:
    """The result of scoring one study.

    ``status`` is "scored", "skipped" (the gate refuses it) or "failed"; ``error`` says why it is not scored.
    ``scores`` has a value for each score of the model; larger is more abnormal. ``p_values`` and ``percentiles``
    compare them with the held-out normals, if the model has any. ``flagged_by`` names the rules that flag the study,
    separated by ";". ``source`` is the image as it is in its files, and ``slices`` has the results of its slices.
    """

    status: str
    error: MedadError | None = None
    scores: dict[str, float] = field(default_factory=dict)
    p_values: dict[str, float] = field(default_factory=dict)
    percentiles: dict[str, float] = field(default_factory=dict)
    flagged: bool = False
    flagged_by: str = ""
    source: Image | None = None
    slices: dict[str, Scored] = field(default_factory=dict)


class StudyScorer:
    """Scores studies with ``model`` in this process; ``verdicts`` decide what is flagged.

    With ``force``, studies that the gate refuses are scored as well.
    """

    def __init__(self, model: Model, verdicts: Verdicts, *, force: bool = False) -> None:
        self.verdicts = verdicts
        self._prepare = Preparation(model.card, model.method.settings, force=force)
        self._scorer = Scorer(model.method, torch.get_num_threads())

    def __call__(self, sources: Iterable[Source]) -> Iterator[StudyScore]:
        """Yield the result of each of ``sources`` in order.

        A source is a study, an image in memory, or an error that was met before, which becomes a failed result.

        Raises:
            ScoringError: the device is out of memory.
        """
        waiting: list[Prepared | StudyScore] = []
        for source in sources:
            waiting.append(self._prepared(source))
            if sum(len(item.slices) for item in waiting if isinstance(item, Prepared)) >= self._scorer.room:
                yield from self._scored(waiting)
                waiting = []
        yield from self._scored(waiting)

    def _prepared(self, source: Source) -> Prepared | StudyScore:
        """Return the network's input of a study, or its final result if the study is refused or cannot be read."""
        if isinstance(source, MedadError):
            return StudyScore("failed", source)
        image: Image | None = None
        try:
            image = self._prepare.in_memory(source) if isinstance(source, Image) else self._prepare.read(source)
            return self._prepare(image)
        except Refused as error:
            return StudyScore("skipped", error, source=image)
        except UnreadableImage as error:
            return StudyScore("failed", error)

    def _scored(self, waiting: list[Prepared | StudyScore]) -> Iterator[StudyScore]:
        """Yield the results of the waiting studies in order."""
        prepared = [item for item in waiting if isinstance(item, Prepared)]
        results = iter(self._scorer([item.slices.numpy() for item in prepared]) if prepared else [])
        for item in waiting:
            yield self._result(item.source, next(results)) if isinstance(item, Prepared) else item

    def _result(self, source: Image, slices: dict[str, Scored]) -> StudyScore:
        """Return the result of a study from the results of its slices."""
        try:
            scores = pooled(slices)
        except NonFinite as error:
            return StudyScore("failed", error, source=source)
        flags = self.verdicts.of([scores])
        by_normals = {
            name: compared
            for name, value in scores.items()
            if (compared := self.verdicts.among_normals(name, np.array([value]))) is not None
        }
        return StudyScore(
            "scored",
            scores=scores,
            p_values={name: float(p[0]) for name, (p, _) in by_normals.items()},
            percentiles={name: float(percentile[0]) for name, (_, percentile) in by_normals.items()},
            flagged=bool(self.verdicts.flagged([scores])[0]),
            flagged_by=str(flags[FLAGGED_BY][0]) if FLAGGED_BY in flags else "",
            source=source,
            slices=slices,
        )

    def close(self) -> None:
        """Stop the threads."""
        self._scorer.close()


def model_verdicts(model: Model, score: str = "", alpha: float = 0.05, **chosen: object) -> Verdicts:
    """Return the rules of ``model`` with the score that ranks, and for the rest :class:`Verdicts`' own arguments.

    Raises:
        ScoringError: the model has no such score, map or operating point.
    """
    ranking = score or model.card.ranking_score(model.method.primary)
    return Verdicts(model.card, tuple(model.method.scores), ranking, alpha, **chosen)  # type: ignore[arg-type]


class NotOneStudy(MedadError):
    """A path that does not exist, or that holds no study or more than one."""


def single_study(path: Path) -> Study:
    """Return the study at ``path``: a file, or the folder of one series.

    Raises:
        NotOneStudy: there is no such path, or it holds no study or more than one.
        UnreadableImage: it holds no single study, and a file that cannot be read.
    """
    if not path.exists():
        raise NotOneStudy(f"{path}: there is no such file or folder")
    items = list(discover(path))
    studies = [item for item in items if isinstance(item, Study)]
    if len(studies) == 1:
        return studies[0]
    for item in items:
        if isinstance(item, UnreadableImage):
            raise item
    reasons = [item.reason for item in items if isinstance(item, Skipped)]
    remedy = "; score a folder of several with 'medad score'" if len(studies) > 1 else ""
    why = f": {reasons[0]}" if reasons else ""
    raise NotOneStudy(f"{path}: {len(studies)} studies, where one is needed{why}{remedy}")
