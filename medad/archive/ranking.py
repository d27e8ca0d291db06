"""Rank the studies of an archive by their scores, and estimate how many of them are abnormal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medad.archive.judged import Judged
from medad.functional.conformal import p_values
from medad.functional.intervals import CONFIDENCE, Floats, Interval, Ints, UndefinedMetric, clusters_of
from medad.functional.mixture import CROSS_FITTED, abnormal_share, false_discovery_rates
from medad.wording import counted


@dataclass(frozen=True)
class Ranking:
    """The archive's studies from the highest score to the lowest: ``order`` has their places in ``judged.archive``.

    ``p`` (N,) are p-values among the normals, and ``normal_share`` (N,) is the expected share of normal studies among
    a study and all that rank above it; both are in the order of ``judged.archive``, and None without comparable
    normals. ``share`` is the estimated share of abnormal studies; without it, ``missing`` says why.
    """

    judged: Judged
    order: Ints
    p: Floats | None
    normal_share: Floats | None
    share: Interval | None
    missing: str = ""

    @property
    def numbers(self) -> tuple[int, int, int] | None:
        """The estimated number of abnormal studies with the ends of its interval, or None without an estimate."""
        if self.share is None:
            return None
        count = len(self.judged.archive)
        return (
            round(self.share.value * count),
            int(np.floor(self.share.low * count + 1e-9)),
            int(np.ceil(self.share.high * count - 1e-9)),
        )

    def sentences(self) -> list[str]:
        """Return the estimate and its conditions as sentences for the reader of the results."""
        judged = self.judged
        count = counted(len(judged.archive), "study", "studies")
        how = (
            f"The {count} of the archive are ranked by {judged.score} from classifiers that have not learned the study "
            "or its patient."
            if judged.cross_fitted
            else f"The {count} of the archive are ranked by {judged.score}; the model learns from normals alone."
        )
        if self.share is None or self.numbers is None:
            return [f"How many of them are abnormal cannot be estimated: {self.missing}.", how]
        value, low, high = self.numbers
        if low == 0:
            first = (
                f"The archive as a whole cannot be told from the {len(judged.normal_scores)} normals: it may hold no "
                f"abnormal study, and holds at most {high} of {count} ({CONFIDENCE:.0%} interval {_range(self.share)})."
            )
        else:
            first = (
                f"About {value} of the archive's {count} are abnormal: {self.share.value:.0%} "
                f"({CONFIDENCE:.0%} interval {_range(self.share)}, {low} to {high} studies)."
            )
        return [first, _CONDITIONS, how]

    def content(self) -> dict[str, Any]:
        """Return the estimate as plain values for JSON."""
        judged, numbers = self.judged, self.numbers
        return {
            "score": judged.score,
            "cross_fitted": judged.cross_fitted,
            "normals": len(judged.normal_scores),
            "archive": len(judged.archive),
            "confidence": CONFIDENCE,
            "abnormal_share": None if self.share is None else [self.share.value, self.share.low, self.share.high],
            "abnormal_studies": None if numbers is None else list(numbers),
            "missing": self.missing,
            "sentences": self.sentences(),
        }


_CONDITIONS = (
    "Abnormal means unlike the normals, whatever the reason, another scanner included ('medad data check' says what "
    "separates them). The lower end holds in any case. Estimate and upper end hold if no abnormal study looks more "
    "normal than half of the normals do; where the disease is fainter, there are more of them."
)


def _range(share: Interval) -> str:
    return f"{share.low:.0%} to {share.high:.0%}"


def rank(judged: Judged) -> Ranking:
    """Rank the studies of the archive; p-values and the estimate need comparable normals."""
    scores, normals = judged.archive_scores, judged.normal_scores
    order = np.argsort(-scores, kind="stable").astype(np.int64)
    if not len(normals):
        missing = (
            "the model has no held-out normals to compare with; train with a share of calibration "
            "(--set calibration=0.2)"
        )
        return Ranking(judged, order, None, None, None, missing)
    p = p_values(normals, scores)
    patients = clusters_of([study.patient for study in judged.archive])
    known_patients = None if judged.normal_patients is None else clusters_of(judged.normal_patients)
    effect = CROSS_FITTED if judged.cross_fitted else 1.0
    try:
        share = abnormal_share(normals, scores, known_patients, patients, design_effect=effect)
    except UndefinedMetric as error:
        return Ranking(judged, order, p, None, None, str(error))
    return Ranking(judged, order, p, false_discovery_rates(p, share.value), share)
