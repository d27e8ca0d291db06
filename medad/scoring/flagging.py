"""What a score means beside the normals that training did not see: percentile, conformal p-value, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.functional.conformal import least_normals, p_values
from medad.model import Card
from medad.scoring.settings import ScoringError

Values = dict[str, NDArray[Any]]
FLAGS = ("flag_alpha", "flag_threshold")
FLAGGED_BY = "flagged_by"


@dataclass(frozen=True)
class Verdicts:
    """``scores`` are the model's, ``score`` the one that ranks and flags, ``map`` the one whose map is drawn ("": the
    map that the card names).

    ``flag_alpha``: the p-value of ``score`` is at most ``alpha``, where the model has calibration scores.
    ``flag_threshold``: it is above ``threshold``, or the card's operating point ``point``, or the card's first one.
    Percentiles and p-values are those among the normals that were held out of training; a model that has none gives
    neither, for among the studies that it learned from, every new one looks abnormal.
    """

    card: Card
    scores: tuple[str, ...]
    score: str
    alpha: float = 0.05
    threshold: float | None = None
    point: str | None = None
    map: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "map", self.map or self.card.drawn_map(self.score))
        for what, name in (("score", self.score), ("map", self.map)):
            if name not in self.scores:
                raise ScoringError(f"no {what} {name!r} in this model: choose from {', '.join(self.scores)}")
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

    @property
    def normals(self) -> int:
        """How many held-out normals the ranking score is compared with."""
        return len(self.card.calibration.get(self.score, ()))

    @property
    def least_alpha(self) -> float:
        """The lowest p-value that there can be; 1 without held-out normals."""
        return 1 / (self.normals + 1)

    def values(self) -> dict[str, Any]:
        """What decides, as plain JSON: a digest of it changes with the rules, and not with their wording.

        The map is none of it: it decides about pictures, and about no score and no flag.
        """
        return {
            "score": self.score,
            "alpha": self.alpha if self.normals else None,
            "calibration": self.normals,
            "threshold": self.limit,
        }

    def sentences(self) -> list[str]:
        """The rules as whole sentences, and what cannot be said, for whoever reads the results."""
        said = []
        if self.normals:
            said.append(
                f"False-alarm rule: flagged where p is at most alpha = {self.alpha:g}; p and percentile are among the "
                f"{self.normals} normal studies that were held out of training, so that no p is below "
                f"{self.least_alpha:.2g} and no percentile above {100 - 100 * self.least_alpha:.4g}."
            )
        else:
            said.append(
                "No p-value and no percentile: the model has no held-out normals, and among the studies that it "
                "learned from, every new one would look abnormal. Train with a share of calibration (such as 0.2)."
            )
        if self.limit is not None:
            name, value = self.limit
            said.append(f"Threshold {name!r}: flagged where {self.score} is above {value:.6g}.")
        if (why := self.cannot_flag) and self.normals:
            said.append(f"No study can be flagged: {why}.")
        return said

    @property
    def cannot_flag(self) -> str:
        """Why no study can ever be flagged, and what to do; "" where one can."""
        if self.limit is not None or (self.normals and self.least_alpha <= self.alpha):
            return ""
        if self.normals:
            return (
                f"with {self.normals} held-out normals no p-value is below {self.least_alpha:.2g}, and alpha is "
                f"{self.alpha:g} (it needs {least_normals(self.alpha)} of them). Raise --alpha, give --threshold, or "
                "hold out more normals (--set calibration=...)"
            )
        return (
            f"the model has no held-out normals and no operating point for {self.score}. Give --threshold, or "
            "--heatmaps all to draw everything, or train with a share of calibration (--set calibration=0.2)"
        )

    @property
    def why_map(self) -> str:
        """Why this map is drawn, in a sentence."""
        marks = self.card.map_check
        if self.map != self.card.map:
            return f"It is that of the ranking score {self.score}." if self.map == self.score else "It was asked for."
        if self.map not in marks:
            return "The model names it."
        others = ", ".join(f"{name} {value:.2f}" for name, value in marks.items() if name != self.map)
        least = "" if marks[self.map] >= 0.6 else " That is hardly better than chance (0.5): do not trust it."
        return (
            f"No test label chose it: on synthetic lesions in normal studies its pixel AUROC is {marks[self.map]:.2f}"
            f"{f' ({others})' if others else ''}.{least}"
        )

    def flagged(self, rows: Sequence[Mapping[str, float]]) -> NDArray[np.bool_]:
        """Whether each of N studies is to be looked at (N,): by any rule. Without one, none is."""
        found = self.of(rows)
        flags = [found[name] for name in FLAGS if name in found]
        flagged: NDArray[np.bool_] = np.any([np.zeros(len(rows), bool), *flags], axis=0)
        return flagged

    def of(self, rows: Sequence[Mapping[str, float]]) -> Values:
        """Columns (N,) of what can be said about N scored studies; what the model does not know is no column.

        NAME_p is the conformal p-value, and NAME_percentile 100 (1 - p): the share of held-out normals that score
        lower, of n + 1, so that it has steps of 100 / (n + 1) and never reaches 100. ``flagged_by`` names the rules
        that flag a study: "alpha", "threshold:POINT" ("threshold:given" for one that was asked for), both with ";"
        between, or nothing.
        """
        found: Values = {}
        for name in self.scores:
            if known := self.card.calibration.get(name):
                p = p_values(np.asarray(known), np.array([row[name] for row in rows], np.float64))
                found |= {f"{name}_percentile": (100 * (1 - p)).round(2), f"{name}_p": p}
        names = {}
        if self.normals:
            found["flag_alpha"], names["flag_alpha"] = found[f"{self.score}_p"] <= self.alpha, "alpha"
        if self.limit is not None:
            values = np.array([row[self.score] for row in rows], np.float64)
            found["flag_threshold"], names["flag_threshold"] = values > self.limit[1], f"threshold:{self.limit[0]}"
        if names:
            hits = zip(*(np.where(found[flag], name, "").tolist() for flag, name in names.items()), strict=True)
            found[FLAGGED_BY] = np.array([";".join(filter(None, hit)) for hit in hits], object)
        return found

    def columns(self) -> list[str]:
        """Names of what :meth:`of` gives, in order."""
        return list(self.of([dict.fromkeys(self.scores, 0.0)]))
