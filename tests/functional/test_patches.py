"""Foreign patches by their statistics: sides, places, number and sizes; and labels by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from medad.functional.patches import (
    Picture,
    bounds,
    changed,
    draw_place,
    draw_target,
    gradients_blended,
    interpolated,
    logistic_labels,
    majority,
    pictures,
    put_patches,
    resized,
)

SIDE = 200


def whole(levels: np.ndarray) -> Picture:
    return Picture(levels, np.ones(levels.shape[1:], dtype=bool))


def disk(side: int, radius: float) -> np.ndarray:
    steps = np.arange(side) - side / 2
    return steps[:, None] ** 2 + steps**2 < radius**2


def test_half_sides_follow_the_gamma_distribution() -> None:
    """Of patches near the middle, which no border can cut: 5 % of the side + Gamma(2, 3 %), at most 40 %."""
    rng = np.random.default_rng(0)
    halves, centers = [], []
    for _ in range(2000):
        for span in draw_place(np.ones((1000, 1000), dtype=bool), rng):
            if 400 <= (span.start + span.stop) / 2 < 600:
                halves.append((span.stop - span.start) / 2)
                centers.append((span.start + span.stop) / 2)
    assert len(halves) == pytest.approx(4000 * 200 / 940, rel=0.15)  # centers are uniform from 30 to below 970
    law = stats.gamma(2, loc=50, scale=30)
    assert stats.kstest(np.array(halves) + 0.5, law.cdf).pvalue > 1e-3  # half-sides are rounded down
    assert stats.kstest(centers, stats.uniform(400, 200).cdf).pvalue > 1e-3
    assert bounds(224) == (7, 90)
    assert bounds(28) == (1, 11)


def test_patches_lie_on_the_object() -> None:
    rng, inside = np.random.default_rng(1), disk(SIDE, 70)
    shares = [inside[draw_place(inside, rng)].mean() for _ in range(200)]
    assert min(shares) > 0.7
    assert min(shares) < 0.8  # the limit is reached, so it is the limit that holds them
    assert draw_place(np.zeros((SIDE, SIDE), dtype=bool), rng) is None


def test_targets_overlap_the_object() -> None:
    rng, inside = np.random.default_rng(2), disk(SIDE, 70)
    patch = np.ones((40, 31), dtype=bool)
    patch[:, :5] = False
    places = [draw_target(patch, inside, rng) for _ in range(200)]
    overlaps = [(inside[place] & patch).sum() / patch.sum() for place in places]
    assert {inside[place].shape for place in places} == {(40, 31)}
    assert 0.7 < min(overlaps) < 0.8
    assert np.std([place[0].start for place in places]) > 15
    assert draw_target(patch, np.zeros_like(inside), rng) is None
    patch[:, :12] = False
    assert patch.mean() < 0.7
    assert draw_target(patch, np.ones_like(inside), rng) is None


def test_factors_of_moved_patches() -> None:
    """N(1, 0.5) clipped to 0.7 and 1.3: each end has the share Phi(-0.6)."""
    rng = np.random.default_rng(3)
    patch = whole(np.zeros((1, 60, 30)))
    sides = np.array([resized(patch, (224, 224), rng).object.shape for _ in range(2000)])
    assert (sides[:, 0].min(), sides[:, 0].max()) == (42, 78)
    for end in (42, 78):
        assert (sides[:, 0] == end).mean() == pytest.approx(stats.norm.cdf(-0.6), abs=0.04)
    assert sides[:, 0] / sides[:, 1] == pytest.approx(2, abs=0.1)
    assert resized(whole(np.zeros((1, 90, 90))), (100, 100), rng).object.shape == (40, 40)
    ramp = np.tile(np.arange(60.0), (2, 60, 1))
    enlarged = resized(whole(ramp), (224, 224), rng)
    factor = enlarged.object.shape[1] / 60
    middles = (np.arange(enlarged.object.shape[1]) + 0.5) / factor - 0.5  # of the new pixels, on the old grid
    assert enlarged.levels[1, 3] == pytest.approx(middles.clip(0, 59))


def test_the_number_of_patches() -> None:
    """The first is always there, each of two more with probability 1/2."""
    counts = []
    rng, image = np.random.default_rng(4), whole(np.zeros((1, 40, 40)))

    def count(target: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
        counts[-1] += 1
        return target

    for _ in range(1000):
        counts.append(0)
        put_patches(image, image, count, rng)
    shares = np.bincount(counts, minlength=4) / 1000
    assert shares == pytest.approx([0, 0.25, 0.5, 0.25], abs=0.05)


def test_interpolation_at_the_same_place() -> None:
    rng = np.random.default_rng(5)
    image, donor = (whole(rng.uniform(0, 255, (3, 60, 60))) for _ in range(2))
    levels, covered = put_patches(image, donor, lambda *cuts: interpolated(*cuts, factor=0.3), rng, most=1)
    assert 0.01 < covered.mean() < 0.65
    assert np.array_equal(levels[:, ~covered], image.levels[:, ~covered])
    assert levels[:, covered] == pytest.approx(0.7 * image.levels[:, covered] + 0.3 * donor.levels[:, covered])


def test_moved_patches_come_from_elsewhere() -> None:
    """A donor whose levels say where they come from: most pixels get a level that is not that of their own place."""
    rng = np.random.default_rng(6)
    image, donor = whole(np.zeros((1, 80, 80))), whole(np.tile(np.arange(80.0) * 3, (1, 80, 1)))
    levels, covered = put_patches(image, donor, lambda _, source, __: source, rng, moved=True, most=1)
    columns = np.nonzero(covered.any(axis=0))[0]
    assert abs(levels[0][:, columns].max(axis=0) / 3 - columns).mean() > 2
    assert not levels[0, ~covered].any()


def test_background_stays_as_it_is() -> None:
    """Where neither image shows its object, interpolated patches change nothing."""
    rng = np.random.default_rng(7)
    inside = disk(60, 20)
    image, donor = (Picture(rng.uniform(0, 255, (1, 60, 60)), inside) for _ in range(2))
    for _ in range(20):
        levels, covered = put_patches(image, donor, lambda *cuts: interpolated(*cuts, factor=0.9), rng)
        assert covered.any()
        assert not (covered & ~inside).any()
        assert np.array_equal(levels[:, ~inside], image.levels[:, ~inside])


def test_blended_patches_have_no_seam() -> None:
    """A bright patch on a dark image: pasted, its border is a step of 150; blended, only its texture is there."""
    image, donor = whole(np.full((1, 60, 60), 50.0)), whole(np.random.default_rng(9).uniform(190, 210, (1, 60, 60)))
    steps = []
    for blend in (lambda *cuts: interpolated(*cuts, factor=1), gradients_blended):
        levels, covered = put_patches(image, donor, blend, np.random.default_rng(8), most=1)
        steps.append(np.abs(np.diff(levels[0], axis=0)).max())
        assert np.abs(levels - 50).max() > 3
        assert not (levels != 50)[:, ~covered].any()
    assert steps[0] > 138
    assert steps[1] < 40


def test_objects_are_brighter_than_the_background() -> None:
    images = torch.full((2, 1, 20, 20), -1.0)
    images[0, :, 5:15, 5:15] = 0.0
    images[0, :, 0, 0] = 1.0  # a single bright pixel, which the median removes
    first, second = pictures(images, 20)
    assert first.levels[0, 7, 7] == pytest.approx(127.5)
    assert first.object.sum() == 80  # five pixels of each corner have a minority of bright neighbors
    assert first.object[6:14, 6:14].all()
    assert not first.object[:3].any()
    assert not second.object.any()
    assert all(picture.object.all() for picture in pictures(images, None))
    assert majority(np.eye(5, dtype=bool), 1).sum() == 5


def test_changes_of_more_than_a_level() -> None:
    before = np.zeros((2, 20, 20))
    after = before.copy()
    after[:, 4:16, 4:16] = 1.1
    after[:, 4:16, 10:16] = 0.9
    after[0, 0, 0] = 200
    marked = changed(before, after, np.ones((20, 20), dtype=bool))
    assert marked[6:14, 6:9].all()
    assert not marked[:, 11:].any()
    assert not marked[0, 0]
    assert not changed(before, after, np.zeros((20, 20), dtype=bool)).any()


def test_logistic_labels_by_hand() -> None:
    before = np.zeros((1, 60, 60))
    after = before.copy()
    after[0, 10:30, 10:30] = 10
    after[0, 10:30, 30:50] = 4
    after[0, 20, 20] = 250  # the median does not see it
    where = after[0] > 0
    labels = logistic_labels(before, after, where, 0.5, 4.0)
    assert labels[20, 20] == pytest.approx(1 / (1 + np.exp(-3)))
    assert labels[20, 40] == pytest.approx(0.5)
    assert not labels[~where].any()
    assert labels[10, 10] == pytest.approx(1 / (1 + np.exp(2)))  # most of the disk around a corner is unchanged
    assert not logistic_labels(before, after, np.zeros_like(where), 0.5, 4.0).any()
