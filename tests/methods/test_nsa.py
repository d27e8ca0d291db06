"""NSA: moved patches whose label grows with what they change; tests/reference has network and loss."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.fakes import small
from scipy.ndimage import median_filter

from medad.functional.patches import Picture

TINY = {"width": 8, "background": None}


def textured(seed: int, spread: float) -> Picture:
    levels = np.random.default_rng(seed).uniform(100 - spread, 100 + spread, (1, 60, 60))
    return Picture(levels, np.ones((60, 60), dtype=bool))


@pytest.mark.parametrize(("steepness", "midpoint"), [(0.5, 4.0), (0.1, 12.0)])
def test_labels_are_a_logistic_function_of_the_change(steepness: float, midpoint: float) -> None:
    method = small("nsa", steepness=steepness, midpoint=midpoint)
    image, donor = textured(0, 3), textured(1, 40)
    steps = np.arange(-5, 6)
    disk = steps[:, None] ** 2 + steps**2 <= 25
    labelled = 0
    for seed in range(10):
        levels, labels = method.corrupted(image, donor, np.random.default_rng(seed))
        inside = labels > 0
        change = np.abs(levels - image.levels).mean(axis=0) * inside
        medians = median_filter(change, footprint=disk, mode="nearest")
        expected = 1 / (1 + np.exp(-steepness * (medians - midpoint)))
        assert labels[inside] == pytest.approx(expected[inside])
        labelled += inside.sum()
    assert labelled > 500


def test_patches_are_of_other_places_and_sizes() -> None:
    """A donor whose texture is in its left half alone: without moving, nothing would change in the right half."""
    method = small("nsa", patches=1)
    image, donor = textured(0, 0), textured(1, 40)
    donor.levels[:, :, 30:] = 100
    right = sum(
        np.abs(method.corrupted(image, donor, np.random.default_rng(seed))[0][0, :, 32:] - 100).max() > 5
        for seed in range(20)
    )
    assert right > 3
