"""Pool the scores of slices to the scores of a study, and refuse scores that are not finite. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medad.functional.pooling import study_score
from medad.types import MedadError, Scored


class NonFinite(MedadError):
    """The model gives a study a score that is NaN or infinite."""


def pooled(scored: Mapping[str, Scored]) -> dict[str, float]:
    """Return each score of a study from those of its slices.

    Raises:
        NonFinite: the score of a slice is NaN or infinite.
    """
    if not all(
        np.isfinite(np.asarray(part)).all() for result in scored.values() for part in (result.score, result.members)
    ):
        raise NonFinite("the model gives no finite score for it (non-finite)")
    return {name: study_score(result.members) for name, result in scored.items()}
