"""Patches and scars of CutPaste by their statistics: areas, aspect ratios, places and colors."""

from __future__ import annotations

import numpy as np
import pytest

from medad.functional.cutpaste import jittered, with_patch, with_scar

SIDE = 224


def image_of_places() -> np.ndarray:
    """Each pixel has its own color: its row and its column, in steps of less than 1 / 255."""
    axis = np.linspace(0.2, 0.8, SIDE)
    return np.stack([np.tile(axis[:, None], (1, SIDE)), np.tile(axis, (SIDE, 1)), np.full((SIDE, SIDE), 0.5)])


def boxes(paste: object, count: int) -> np.ndarray:
    """(tall, wide, row, column, pixels) of what was pasted: without jitter, what changed came from elsewhere."""
    image, rng, rows = image_of_places(), np.random.default_rng(0), []
    for _ in range(count):
        hit = np.abs(paste(image, 0.0, rng) - image).max(axis=0) > 1e-9
        spans = [np.flatnonzero(hit.any(axis=axis)) for axis in (1, 0)]
        if len(spans[0]):
            sides = [int(span[-1] - span[0]) + 1 for span in spans]
            rows.append([*sides, int(spans[0][0]), int(spans[1][0]), int(hit.sum())])
    return np.array(rows)


def test_areas_aspects_and_places_of_patches() -> None:
    found = boxes(with_patch, 800)
    tall, wide, rows, columns, pixels = found.T
    assert len(found) > 795
    assert (pixels == tall * wide).mean() > 0.98  # rectangles; patches on their own row or column change a part
    areas, aspects = tall * wide / SIDE**2, np.log(wide / tall)
    assert 0.019 < areas.min() < 0.025
    assert 0.145 < areas.max() < 0.152
    assert areas.mean() == pytest.approx(0.085, abs=0.004)
    assert areas.std() == pytest.approx(0.13 / 12**0.5, abs=0.003)
    limit = np.log(1 / 0.3)
    assert np.abs(aspects).max() == pytest.approx(limit, abs=0.05)
    assert aspects.mean() == pytest.approx(0, abs=0.08)
    assert aspects.std() == pytest.approx(2 * limit / 12**0.5, abs=0.04)
    shares = rows / (SIDE - tall), columns / (SIDE - wide)
    for share in shares:
        assert share.mean() == pytest.approx(0.5, abs=0.03)
        assert share.std() == pytest.approx(12**-0.5, abs=0.02)
    assert abs(np.corrcoef(*shares)[0, 1]) < 0.1


def test_scars_are_small_and_turned() -> None:
    found = boxes(with_scar, 600)
    tall, wide, rows, _, pixels = found.T
    # uniform sides: 9 x 17.5 pixels in the mean, rounded down
    assert pixels.mean() == pytest.approx(8.5 * 17, rel=0.1)
    assert pixels.min() < 30
    assert pixels.max() <= 15 * 24 * 1.1
    assert (tall + wide).max() < 2**0.5 * (16 + 25) + 2  # the box around a rectangle turned by 45 degrees
    assert (tall * wide > 1.3 * pixels).mean() > 0.6  # the box around a turned scar is larger than the scar
    assert rows.max() > 190
    assert rows.min() < 10
    upright = (tall > wide).mean()
    assert 0.6 < upright < 1


def test_scars_follow_the_size_of_the_image() -> None:
    rng = np.random.default_rng(1)
    image = rng.random((1, 56, 56))
    changed = [(with_scar(image, 0.0, rng) != image).sum() for _ in range(200)]
    assert max(changed) <= 4 * 6 * 1.5
    assert np.mean(changed) == pytest.approx(8.5 * 17 / 16, rel=0.35)


def test_patches_hold_what_was_cut_out() -> None:
    """Pasted colors are those of a rectangle of the image, in order."""
    image, rng = image_of_places(), np.random.default_rng(2)
    pasted = with_patch(image, 0.0, rng)
    hit = np.abs(pasted - image).max(axis=0) > 1e-9
    rows, columns = np.flatnonzero(hit.any(axis=1)), np.flatnonzero(hit.any(axis=0))
    cut = pasted[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert np.diff(cut[0], axis=0) == pytest.approx(0.6 / (SIDE - 1))
    assert np.diff(cut[1], axis=1) == pytest.approx(0.6 / (SIDE - 1))


def test_jitter_by_hand() -> None:
    rng = np.random.default_rng(3)
    gray = np.array([[[0.4, 0.6]]])
    changed = np.array([jittered(gray, 0.1, rng)[0, 0] for _ in range(3000)])
    brightness, contrast = changed.mean(axis=1) / 0.5, (changed[:, 1] - changed[:, 0]) / 0.2
    assert 0.9 <= brightness.min() < 0.91
    assert 1.09 < brightness.max() <= 1.1
    factors = contrast / brightness
    assert 0.9 - 1e-9 <= factors.min() < 0.91
    assert 1.09 < factors.max() <= 1.1 + 1e-9
    assert factors.std() == pytest.approx(0.2 / 12**0.5, abs=0.003)
    assert abs(np.corrcoef(brightness, factors)[0, 1]) < 0.06
    colored = np.array([0.5, 0.4, 0.3]).reshape(3, 1, 1)
    saturations = []
    for _ in range(500):
        red, green, blue = jittered(colored, 0.1, rng)[:, 0, 0]
        assert (red - green) == pytest.approx(green - blue)
        saturations.append(red - green)
    assert 0.072 < min(saturations) < 0.08
    assert 0.12 < max(saturations) < 0.134  # 0.1 times three factors
    assert jittered(np.ones((1, 2, 2)), 0.5, rng).max() <= 1
