"""Pool the scores of slices to the score of a study; needs no PyTorch, and takes its tensors as well as arrays."""

from __future__ import annotations

import numpy as np

from medad.functional.pooling import study_score
from medad.types import MedadError, Scored


class NonFinite(MedadError):
    """The model gives a study a score that is NaN or infinite."""


def pooled(scored: dict[str, Scored]) -> dict[str, float]:
    """Return each score of a study from those of its slices, on the CPU.

    Raises:
        NonFinite: the score of a slice is NaN or infinite.
    """
    for result in scored.values():
        if not (np.isfinite(np.asarray(result.score)).all() and np.isfinite(np.asarray(result.members)).all()):
            raise NonFinite("the model gives no finite score for it (non-finite)")
    return {name: study_score(result.members) for name, result in scored.items()}
