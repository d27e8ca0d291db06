"""Pixel metrics against slow direct computations that keep every pixel."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from medad.functional.intervals import UndefinedMetric
from medad.functional.pixel_metrics import (
    BINS,
    PixelHistogram,
    PixelMetrics,
    bins_of,
    points_into,
    upper_edge,
)

Pairs = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]


def made(studies: int = 12, slices: int = 1, side: int = 24, seed: int = 0, levels: int | None = None) -> Pairs:
    """Maps that see some of their marks; every third study has none. ``levels`` makes ties."""
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(studies):
        mask = np.zeros((slices, side, side), dtype=bool)
        for _ in range(0 if index % 3 == 0 else rng.integers(1, 4)):
            row, column = rng.integers(0, side - 6, 2)
            mask[rng.integers(slices), row : row + rng.integers(1, 6), column : column + rng.integers(1, 6)] = True
        maps = rng.gamma(2.0, 1.0, mask.shape) + mask * rng.uniform(0, 3)
        if levels is not None:
            maps = np.round(maps * levels / 10)
        pairs.append((maps.astype(np.float32), mask))
    return pairs


def measured(pairs: Pairs, threshold: float | None = None) -> PixelMetrics:
    metrics = PixelMetrics(threshold)
    for maps, mask in pairs:
        metrics.add(maps, mask)
    return metrics


def pooled(pairs: Pairs) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    return np.concatenate([mask.ravel() for _, mask in pairs]), np.concatenate([maps.ravel() for maps, _ in pairs])


def slow_aupro(pairs: Pairs, limit: float = 0.3) -> float:
    """Every threshold, every region, one at a time; the curve is cut at ``limit`` by a straight line."""
    regions = []
    for maps, mask in pairs:
        labeled, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        regions += [maps[labeled == one] for one in range(1, count + 1)]
    marked, values = pooled(pairs)
    normal = values[~marked]
    points = [(0.0, 0.0)]
    for threshold in np.unique(values)[::-1]:
        points.append((float(np.mean(normal >= threshold)), float(np.mean([np.mean(r >= threshold) for r in regions]))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit:
            break
        end = min(x1, limit)
        reached = y0 + (y1 - y0) * (end - x0) / (x1 - x0) if x1 > x0 else y1
        area += (end - x0) * (y0 + reached) / 2
    return area / limit


CASES = [{}, {"slices": 3, "side": 14}, {"levels": 8}, {"seed": 3, "studies": 5}]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_area_under_the_region_overlap_curve_is_that_of_the_slow_route(case: dict[str, int]) -> None:
    pairs = made(**case)
    assert measured(pairs).result().aupro == pytest.approx(slow_aupro(pairs), abs=2e-4)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pooled_metrics_are_those_of_scikit_learn(case: dict[str, int]) -> None:
    pairs = made(**case)
    marked, values = pooled(pairs)
    found = measured(pairs).result()
    assert abs(found.auc - roc_auc_score(marked, values)) <= found.auc_error + 1e-12
    assert found.ap == pytest.approx(average_precision_score(marked, values), abs=1e-3)
    best = max(
        f1_score(marked, values >= level) for level in np.unique(values)[:: max(1, len(np.unique(values)) // 500)]
    )
    assert found.f1_max == pytest.approx(best, abs=5e-3)
    assert found.n_masks == sum(mask.any() for _, mask in pairs)


def test_binning_is_exact_where_values_are_not_close() -> None:
    pairs = made(levels=20)
    found = measured(pairs).result()
    marked, values = pooled(pairs)
    assert found.auc == pytest.approx(roc_auc_score(marked, values), abs=1e-12)
    assert found.ap == pytest.approx(average_precision_score(marked, values), abs=1e-12)
    assert found.aupro == pytest.approx(slow_aupro(pairs), abs=1e-12)


def test_the_oracle_dice_is_the_best_of_all_thresholds_and_the_other_knows_none() -> None:
    pairs = made(levels=30)

    def dice(threshold: float) -> float:
        drawn = [(maps > threshold, mask) for maps, mask in pairs if mask.any()]
        return float(np.mean([2 * (found & mask).sum() / (mask.sum() + found.sum()) for found, mask in drawn]))

    thresholds = [-1.0, *np.unique(pooled(pairs)[1])]
    found = measured(pairs, threshold=9.0).result()
    assert found.dice_oracle == pytest.approx(max(map(dice, thresholds)))
    assert found.dice == pytest.approx(dice(9.0))
    assert found.dice < found.dice_oracle
    assert measured(pairs).result().dice is None


def test_bins_keep_the_order_and_the_edge_belongs_to_the_bin() -> None:
    rng = np.random.default_rng(0)
    values = np.sort(np.concatenate([rng.normal(0, 10.0 ** rng.integers(-8, 8, 5000)), [0.0, -0.0]]).astype(np.float32))
    bins = bins_of(values)
    assert (np.diff(bins) >= 0).all()
    assert bins.min() >= 0
    assert bins.max() < BINS
    assert bins_of(np.array([-0.0], np.float32)) == bins_of(np.array([0.0], np.float32))
    for value, index in zip(values[::97], bins[::97], strict=True):
        edge = upper_edge(int(index))
        assert value <= edge
        assert abs(edge - value) <= abs(float(value)) * 2**-11 + 1e-40
        assert bins_of(np.array([edge], np.float32))[0] == index


@pytest.mark.parametrize("level", [0.0, 0.5, 0.99, 1.0])
def test_the_quantile_is_that_of_all_pixels_to_within_a_bin(level: float) -> None:
    maps = [maps for maps, _ in made(20)]
    histogram = PixelHistogram()
    for one in maps:
        histogram.add(one)
    exact = float(np.quantile(np.stack(maps), level, method="inverted_cdf"))
    assert exact <= histogram.quantile(level) <= exact * (1 + 2**-11) + 1e-12


def test_memory_does_not_grow_with_the_number_of_studies() -> None:
    pairs = made(2, side=64)

    def peak(studies: int) -> int:
        tracemalloc.start()
        metrics = PixelMetrics(threshold=2.0)
        for index in range(studies):
            metrics.add(*pairs[index % 2])
        metrics.result()
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    few, many = peak(4), peak(400)
    assert many < few + 64 * 64 * 4 * 20  # 400 studies would be 396 maps of 16 KiB more


def test_the_pointing_game_wants_every_highest_pixel_in_a_box() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    boxes = np.zeros((2, 4, 4), bool)
    boxes[1, 1:3, 1:3] = True
    assert not points_into(maps, boxes)
    maps[1, 2, 2] = 1
    assert points_into(maps, boxes)
    maps[0, 2, 2] = 1
    assert not points_into(maps, boxes)


def test_what_pixels_do_not_define_is_refused() -> None:
    maps, empty = np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), bool)
    for mask, said in ((empty, "0 and 16"), (~empty, "16 and 0")):
        metrics = PixelMetrics()
        metrics.add(maps, mask)
        with pytest.raises(UndefinedMetric, match=said):
            metrics.result()
    with pytest.raises(ValueError, match=r"\(N, H, W\)"):
        PixelMetrics().add(maps, empty[0])
    for add in (lambda bad: PixelMetrics().add(bad, empty), PixelHistogram().add, lambda bad: points_into(bad, empty)):
        with pytest.raises(UndefinedMetric, match="1 pixels of an anomaly map are not finite"):
            add(np.where(np.arange(16).reshape(1, 4, 4) == 3, np.nan, maps))
    with pytest.raises(UndefinedMetric, match="at least one pixel"):
        PixelHistogram().quantile(0.5)
