"""Compare scores with those of normal cases that were held out of training: percentile, conformal p-value, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.functional.conformal import least_normals, p_values
from medad.model_card import Card
from medad.scoring.core.settings import ScoringError

Values = dict[str, NDArray[Any]]
FLAGS = ("flag_alpha", "flag_threshold")
FLAGGED_BY = "flagged_by"


@dataclass(frozen=True)
class Verdicts:
    """The rules that flag a case.

    ``scores`` are the names of the model's scores, ``score`` is the one that ranks and flags cases, and ``map`` is
    the one whose anomaly map is drawn ("": the map that the card names).

    ``flag_alpha`` is set where the p-value of ``score`` is at most ``alpha``, if the model has calibration scores.
    ``flag_threshold`` is set where ``score`` is above ``threshold``, else above the card's operating point ``point``,
    else above the card's first operating point.
    Percentiles and p-values compare a case with the normals that were held out of training. A model without held-out
    normals gives neither: compared with the cases that it was trained on, every new case looks abnormal.

    Raises:
        ScoringError: the model has no such score, map or operating point; ``alpha`` is not between 0 and 1; or both
            ``threshold`` and ``point`` are given.
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
        thresholds = self.card.thresholds.get(self.score, {})
        if self.point is not None and self.point not in thresholds:
            choices = f"it has {', '.join(thresholds)}" if thresholds else "it has none"
            raise ScoringError(f"the model has no operating point {self.point!r} for {self.score}: {choices}")
        if self.point is not None and self.threshold is not None:
            raise ScoringError("give a threshold or an operating point, not both")

    @property
    def limit(self) -> tuple[str, float] | None:
        """The name and the value of the threshold in use; None if there is none."""
        if self.threshold is not None:
            return "given", self.threshold
        thresholds = self.card.thresholds.get(self.score, {})
        name = self.point or next(iter(thresholds), None)
        return None if name is None else (name, thresholds[name])

    @property
    def normals(self) -> int:
        """The number of held-out normals that have the ranking score."""
        return len(self.card.calibration.get(self.score, ()))

    @property
    def least_alpha(self) -> float:
        """The lowest p-value that can occur, 1 / (n + 1) for n held-out normals."""
        return 1 / (self.normals + 1)

    def values(self) -> dict[str, Any]:
        """Return the values that decide about flags, as plain JSON.

        A digest of them changes with the rules, and not with the wording of the page. The map is left out: it changes
        pictures, but no score and no flag.
        """
        return {
            "score": self.score,
            "alpha": self.alpha if self.normals else None,
            "calibration": self.normals,
            "threshold": self.limit,
        }

    def sentences(self) -> list[str]:
        """Return the rules as whole sentences for the reader of the results, also why a rule is missing."""
        sentences = []
        if self.normals:
            sentences.append(
                f"False-alarm rule: flagged where p is at most alpha = {self.alpha:g}; p and percentile are among the "
                f"{self.normals} normal cases that were held out of training, so that no p is below "
                f"{self.least_alpha:.2g} and no percentile above {100 - 100 * self.least_alpha:.4g}."
            )
        else:
            sentences.append(
                "No p-value and no percentile: the model has no held-out normals, and among the cases that it "
                "learned from, every new one would look abnormal. Train with a share of calibration (such as 0.2)."
            )
        if self.limit is not None:
            name, value = self.limit
            sentences.append(f"Threshold {name!r}: flagged where {self.score} is above {value:.6g}.")
        if (why := self.cannot_flag) and self.normals:
            sentences.append(f"No case can be flagged: {why}.")
        return sentences

    @property
    def cannot_flag(self) -> str:
        """Why no case can be flagged, and the remedy; "" if cases can be flagged."""
        if self.limit is not None or (self.normals and self.least_alpha <= self.alpha):
            return ""
        if self.normals:
            return (
                f"with {self.normals} held-out normals no p-value is below {self.least_alpha:.2g}, and alpha is "
                f"{self.alpha:g} (it needs {least_normals(self.alpha)} of them). Raise --alpha, give --threshold, or "
                "hold out more normals (--set calibration=...)"
            )
        return (
            f"the model has no held-out normals and no operating point for {self.score}. Give --threshold, or train "
            "with a share of calibration (--set calibration=0.2)"
        )

    @property
    def why_map(self) -> str:
        """A sentence that says why this map is drawn."""
        marks = self.card.map_check
        if self.map != self.card.map:
            return f"It is that of the ranking score {self.score}." if self.map == self.score else "The user chose it."
        if self.map not in marks:
            return "The model card names it."
        other_maps = ", ".join(f"{name} {value:.2f}" for name, value in marks.items() if name != self.map)
        least = "" if marks[self.map] >= 0.6 else " That is hardly better than chance (0.5): do not trust it."
        return (
            f"No test label chose it: on synthetic lesions in normal cases its pixel AUROC is {marks[self.map]:.2f}"
            f"{f' ({other_maps})' if other_maps else ''}.{least}"
        )

    def flagged(self, rows: Sequence[Mapping[str, float]]) -> NDArray[np.bool_]:
        """Return for each of N cases whether any rule flags it, bool (N,); all False without a rule."""
        columns = self.of(rows)
        flags = [columns[name] for name in FLAGS if name in columns]
        flagged: NDArray[np.bool_] = np.any([np.zeros(len(rows), bool), *flags], axis=0)
        return flagged

    def among_normals(
        self, name: str, values: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return p-values and percentiles (N,) of ``values`` (N,) of the score ``name``; None without held-out normals.

        The p-value is conformal, and the percentile is 100 (1 - p): the share of held-out normals that score lower.
        """
        normals = self.card.calibration.get(name)
        if not normals:
            return None
        p = p_values(np.asarray(normals), values)
        return p, (100 * (1 - p)).round(2)

    def of(self, rows: Sequence[Mapping[str, float]]) -> Values:
        """Return columns (N,) of percentiles, p-values and flags of N scored cases.

        A column whose rule or calibration scores the model lacks is left out. ``NAME_p`` is the conformal p-value, and
        ``NAME_percentile`` is 100 (1 - p): the share of held-out normals that score lower, of n + 1, in steps of
        100 / (n + 1) and always below 100. ``flagged_by`` names the rules that flag a case, separated by ";":
        "alpha", "threshold:POINT" ("threshold:given" for a threshold set by the user), or "".
        """
        columns: Values = {}
        for name in self.scores:
            compared = self.among_normals(name, np.array([row[name] for row in rows], np.float64))
            if compared is not None:
                columns |= {f"{name}_percentile": compared[1], f"{name}_p": compared[0]}
        names = {}
        if self.normals:
            columns["flag_alpha"], names["flag_alpha"] = columns[f"{self.score}_p"] <= self.alpha, "alpha"
        if self.limit is not None:
            values = np.array([row[self.score] for row in rows], np.float64)
            columns["flag_threshold"], names["flag_threshold"] = values > self.limit[1], f"threshold:{self.limit[0]}"
        if names:
            hits = zip(*(np.where(columns[flag], name, "").tolist() for flag, name in names.items()), strict=True)
            columns[FLAGGED_BY] = np.array([";".join(filter(None, hit)) for hit in hits], object)
        return columns

    def columns(self) -> list[str]:
        """Return the names of the columns of :meth:`of`, in order."""
        return list(self.of([dict.fromkeys(self.scores, 0.0)]))
