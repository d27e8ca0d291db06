"""What a score means beside the normals that the model knows: percentile, conformal p-value, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.functional.conformal import p_values
from medad.model import Card
from medad.scoring.settings import ScoringError

Values = dict[str, NDArray[Any]]
FLAGS = ("flag_alpha", "flag_threshold")
UNUSUAL = 99.0  # percentile among training normals from which a study is shown where the model has no flag


@dataclass(frozen=True)
class Verdicts:
    """``scores`` are the model's, ``score`` the one that decides.

    ``flag_alpha``: its p-value is at most ``alpha``, where the model has calibration scores. ``flag_threshold``: it is
    above ``threshold``, or the card's operating point ``point``, or the card's first one.
    """

    card: Card
    scores: tuple[str, ...]
    score: str
    alpha: float = 0.05
    threshold: float | None = None
    point: str | None = None

    def __post_init__(self) -> None:
        if self.score not in self.scores:
            raise ScoringError(f"no score {self.score!r} in this model: choose from {', '.join(self.scores)}")
        if not 0 < self.alpha < 1:
            raise ScoringError(f"alpha={self.alpha:g}: a share of false alarms lies between 0 and 1, such as 0.05")
        known = self.card.thresholds.get(self.score, {})
        if self.point is not None and self.point not in known:
            said = f"it has {', '.join(known)}" if known else "it has none"
            raise ScoringError(f"the model has no operating point {self.point!r} for {self.score}: {said}")
        if self.point is not None and self.threshold is not None:
            raise ScoringError("give a threshold or an operating point, not both")

    @property
    def limit(self) -> tuple[str, float] | None:
        """The threshold that holds, with its name."""
        if self.threshold is not None:
            return "given", self.threshold
        known = self.card.thresholds.get(self.score, {})
        name = self.point or next(iter(known), None)
        return None if name is None else (name, known[name])

    def rules(self) -> dict[str, str]:
        """What decides, in words."""
        calibration = len(self.card.calibration.get(self.score, ()))
        limit = self.limit
        return {
            "score": self.score,
            "flag_alpha": f"p <= {self.alpha:g}, {calibration} calibration normals" if calibration else "none",
            "flag_threshold": f"score > {limit[1]:.6g} ({limit[0]})" if limit else "none",
        }

    def values(self) -> dict[str, Any]:
        """What decides, as plain JSON: a digest of it changes with the rules, and not with their wording."""
        calibration = len(self.card.calibration.get(self.score, ()))
        return {
            "score": self.score,
            "alpha": self.alpha if calibration else None,
            "calibration": calibration,
            "threshold": self.limit,
        }

    @property
    def can_flag(self) -> bool:
        """Whether the model, or who asks, has anything that studies can be flagged by."""
        known = self.card.calibration.get(self.score) or self.card.percentiles.get(self.score)
        return bool(known) or self.limit is not None

    def flagged(self, rows: Sequence[Mapping[str, float]]) -> NDArray[np.bool_]:
        """Whether each of N studies is to be looked at (N,): a flag, or where there is none, a score that normals
        seldom reach. Without any rule, none is.
        """
        found = self.of(rows)
        flags = [found[name] for name in FLAGS if name in found]
        if not flags and f"{self.score}_percentile" in found:
            flags = [found[f"{self.score}_percentile"] >= UNUSUAL]
        flagged: NDArray[np.bool_] = np.any([np.zeros(len(rows), bool), *flags], axis=0)
        return flagged

    def of(self, rows: Sequence[Mapping[str, float]]) -> Values:
        """Columns (N,) of what can be said about N scored studies; what the model does not know is no column."""
        found: Values = {}
        for name in self.scores:
            values = np.array([row[name] for row in rows], np.float64)
            if known := self.card.percentiles.get(name):
                found[f"{name}_percentile"] = np.interp(values, known, np.linspace(0, 100, len(known))).round(2)
            if known := self.card.calibration.get(name):
                found[f"{name}_p"] = p_values(np.asarray(known), values)
        if f"{self.score}_p" in found:
            found["flag_alpha"] = found[f"{self.score}_p"] <= self.alpha
        if self.limit is not None:
            found["flag_threshold"] = np.array([row[self.score] for row in rows], np.float64) > self.limit[1]
        return found

    def columns(self) -> list[str]:
        """Names of what :meth:`of` gives, in order."""
        return list(self.of([dict.fromkeys(self.scores, 0.0)]))
