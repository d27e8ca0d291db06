"""The result that a model gives one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from medad.data.preprocessing import on_source_grid
from medad.io.core.picture import Array
from medad.scoring.core.flagging import Verdicts
from medad.scoring.study_scorer import StudyScore
from medad.types import MedadError


class NotScored(MedadError):
    """A study has no score, since it could not be read or is unlike the training images."""


@dataclass(frozen=True)
class Result:
    """The result of scoring one study.

    ``status`` is "scored", "skipped" (it is unlike the training images) or "failed", and ``reason`` says why it is not
    scored. ``score`` is the score that ranks, and ``scores`` has all of the model's by name: larger is more abnormal.
    ``p_value`` and ``percentile`` compare the score with the normals held out of training; None if there were none.
    ``flagged_by`` names the rules that flag the study. ``reading`` holds the decisions of the reader, as plain JSON:
    rescaling, window, inversion, orientation, and what was assumed.
    """

    status: str
    reason: str = ""
    score: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    p_value: float | None = None
    percentile: float | None = None
    flagged: bool = False
    flagged_by: tuple[str, ...] = ()
    reading: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _scored: StudyScore | None = field(default=None, repr=False, compare=False)
    _map: str = field(default="", repr=False, compare=False)

    @cached_property
    def map(self) -> Array:
        """The anomaly map on the grid of the source, float32: (H, W), or (I, J, K) on the voxels of a volume's file.

        It is that of the score whose map the model's card names; :meth:`map_of` gives the others.

        Raises:
            NotScored: the study has no score.
        """
        return self.map_of(self._map)

    def map_of(self, score: str) -> Array:
        """Return the anomaly map of one of the ``scores`` on the grid of the source.

        Raises:
            NotScored: the study has no score, or the model has no score of this name.
        """
        if self._scored is None or self._scored.source is None or self.status != "scored":
            raise NotScored(f"there is no map: {self.reason}")
        if score not in self.scores:
            raise NotScored(f"there is no map {score!r}: choose from {', '.join(self.scores)}")
        return on_source_grid(self._scored.slices[score].anomaly_map, self._scored.source)

    @property
    def affine(self) -> Array:
        """The affine (4, 4) from indices of :attr:`map` to RAS mm, for a volume; the identity for a picture."""
        if self._scored is None or self._scored.source is None:
            raise NotScored(f"there is no image: {self.reason}")
        return self._scored.source.original_affine


def result_of(scored: StudyScore, verdicts: Verdicts) -> Result:
    """Return the public result of a study; ``verdicts`` name the score that ranks and the map that is drawn."""
    name = verdicts.score
    return Result(
        scored.status,
        "" if scored.error is None else str(scored.error),
        scored.scores.get(name),
        dict(scored.scores),
        scored.p_values.get(name),
        scored.percentiles.get(name),
        scored.flagged,
        tuple(filter(None, scored.flagged_by.split(";"))),
        {} if scored.source is None else dict(scored.source.reading),
        scored,
        verdicts.map,
    )
