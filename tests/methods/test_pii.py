"""PII: patches of another image that leave no seam, labelled by their factor; tests/reference has network and loss."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.fakes import small

from medad.functional.patches import Picture

TINY = {"width": 8, "background": None}


def textured(seed: int, middle: float, spread: float) -> Picture:
    levels = np.random.default_rng(seed).uniform(middle - spread, middle + spread, (1, 60, 60))
    return Picture(levels, np.ones((60, 60), dtype=bool))


def test_labels_are_the_factor_and_the_level_of_the_donor_does_not_count() -> None:
    method = small("pii", patches=1)
    image, donor = textured(0, 60, 5), textured(1, 200, 50)
    factors, changes = [], []
    for seed in range(120):
        levels, labels = method.corrupted(image, donor, np.random.default_rng(seed))
        factor = labels.max()
        if not factor:
            continue
        assert set(np.unique(labels)) <= {0.0, factor}
        inside = labels > 0
        change = np.abs(levels - image.levels)[0]
        assert not change[~np.pad(inside, 3, mode="maximum")[3:-3, 3:-3]].max() > 255
        assert abs((levels - image.levels)[0, inside].mean()) < 60  # its texture comes, not its level, 140 higher
        factors.append(factor)
        changes.append(change[inside].mean())
    assert len(factors) > 90
    assert 0.05 <= min(factors) < 0.12
    assert 0.88 < max(factors) <= 0.95
    assert np.mean(factors) == pytest.approx(0.5, abs=0.08)
    assert np.corrcoef(factors, changes)[0, 1] > 0.6  # the factor scales the gradients


def test_a_donor_without_texture_changes_nothing() -> None:
    method = small("pii")
    image, flat = textured(0, 60, 5), textured(2, 200, 0)
    levels, labels = method.corrupted(image, flat, np.random.default_rng(0))
    assert levels == pytest.approx(image.levels)
    assert not labels.any()
