"""Pixel metrics of anomaly maps against masks, over data sets of any size in bounded memory.

Pixels are counted in three histograms: of normal pixels, of abnormal pixels, and of abnormal pixels where each region
has weight 1. The bins are the float values, truncated to their highest 20 bits (sign, exponent, 11 of 23 mantissa
bits). The range of the values need not be known, and values in the same bin differ by less than 0.05 %. The metrics are
those of the binned values, with ties. Binning changes the AUROC by at most ``auc_error``, half the share of (abnormal,
normal) pairs in the same bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medad.functional.intervals import Floats, UndefinedMetric

BITS = 20
BINS = 1 << BITS
FPR_LIMIT = 0.3


def bins_of(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bin of each value (...), from 0 to BINS - 1; bins increase with the values.

    >>> bins = bins_of(np.array([-1.0, 0.0, 1.0, 1.5], dtype=np.float32))
    >>> bool((np.diff(bins) > 0).all())
    True
    """
    bits = (np.ascontiguousarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> (32 - BITS)).astype(np.int64)


def upper_edge(index: int) -> float:
    """Return the highest value of the bin ``index``."""
    ordered = np.uint32(((index + 1) << (32 - BITS)) - 1)
    bits = ordered ^ np.uint32(1 << 31) if ordered >> 31 else ~ordered
    return float(np.array([bits], dtype=np.uint32).view(np.float32)[0])


class PixelHistogram:
    """A histogram of pixel values, for quantiles over more maps than fit into memory."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, dtype=np.int64)

    def add(self, maps: NDArray[np.float32]) -> None:
        """Count the pixels of ``maps`` (...). Raises UndefinedMetric if one is not finite."""
        _check_finite(maps)
        np.add.at(self.counts, bins_of(maps), 1)

    def quantile(self, level: float) -> float:
        """Return the lowest upper edge of a bin that at least a share ``level`` of the pixels do not exceed.

        Raises:
            UndefinedMetric: no pixel was counted.
        """
        total = int(self.counts.sum())
        if not total:
            raise UndefinedMetric("a quantile needs at least one pixel")
        needed = max(1, int(np.ceil(level * total)))
        return upper_edge(int(np.searchsorted(np.cumsum(self.counts), needed)))


@dataclass(frozen=True)
class PixelResult:
    """Metrics over all pixels of all studies, each between 0 and 1; ``n_masks`` studies have marked pixels.

    ``f1_max`` pools all pixels. ``dice`` is the mean Dice of the studies with marked pixels at a given threshold, and
    ``dice_oracle`` the same at the common threshold that is best for these masks.
    """

    auc: float
    ap: float
    f1_max: float
    aupro: float
    dice_oracle: float
    dice: float | None
    auc_error: float
    n_masks: int


class PixelMetrics:
    """Accumulates the pixel metrics study by study, in 32 MiB of memory for any number of studies.

    ``threshold`` is that of ``dice``: a pixel counts as abnormal if its value is above it.
    """

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold
        self._normal = np.zeros(BINS, dtype=np.int64)
        self._abnormal = np.zeros(BINS, dtype=np.int64)
        self._regions = np.zeros(BINS)
        self._dice_steps = np.zeros(BINS)
        self._dice = 0.0
        self._n_regions = 0
        self.n_masks = 0

    def add(self, maps: NDArray[np.float32], mask: NDArray[np.bool_]) -> None:
        """Count one study: the maps (N, H, W) of its N slices and its mask, which is all False for a normal study.

        Raises:
            ValueError: the shapes differ.
            UndefinedMetric: a value is not finite.
        """
        if maps.shape != mask.shape or maps.ndim != 3:
            raise ValueError(f"maps and mask must both be (N, H, W), got {maps.shape} and {mask.shape}")
        _check_finite(maps)
        bins = bins_of(maps)
        np.add.at(self._normal, bins[~mask], 1)
        if not mask.any():
            return
        np.add.at(self._abnormal, bins[mask], 1)
        self.n_masks += 1
        self._add_regions(bins, mask)
        self._add_dice(bins, mask)
        if self.threshold is not None:
            called = maps > np.float32(self.threshold)
            self._dice += 2 * float((called & mask).sum()) / float(called.sum() + mask.sum())

    def _add_regions(self, bins: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Add a weight of 1, spread evenly, for each connected region (8 neighbors in a slice, 26 in a volume)."""
        regions, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        owner = regions[mask]
        np.add.at(self._regions, bins[mask], 1 / np.bincount(owner)[owner])
        self._n_regions += count

    def _add_dice(self, bins: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Add the study's Dice as a step function of the threshold's bin, as differences from the highest bin down."""
        bins_present, place = np.unique(bins.ravel(), return_inverse=True)
        hits = np.bincount(place, weights=mask.ravel(), minlength=len(bins_present))[::-1].cumsum()
        called = np.bincount(place, minlength=len(bins_present))[::-1].cumsum()
        dice = 2 * hits / (called + mask.sum())
        self._dice_steps[bins_present[::-1]] += np.diff(dice, prepend=0.0)

    def result(self) -> PixelResult:
        """Return the metrics over all studies so far.

        Raises:
            UndefinedMetric: there is no marked pixel, or no unmarked one.
        """
        n_normal, n_abnormal = int(self._normal.sum()), int(self._abnormal.sum())
        if not n_normal or not n_abnormal:
            raise UndefinedMetric(
                f"pixel metrics need marked and unmarked pixels; there are {n_abnormal} and {n_normal}"
            )
        used = np.flatnonzero(self._normal + self._abnormal)[::-1]  # from the highest value down
        normal, abnormal = self._normal[used], self._abnormal[used]
        false, true = normal.cumsum(), abnormal.cumsum()
        pairs = float(n_normal) * float(n_abnormal)
        below = n_normal - false
        tied = float(np.sum(abnormal.astype(float) * normal)) / pairs / 2
        return PixelResult(
            auc=float(np.sum(abnormal.astype(float) * below)) / pairs + tied,
            ap=float(np.sum(abnormal / n_abnormal * true / (true + false))),
            f1_max=float(np.max(2 * true / (true + false + n_abnormal))),
            aupro=_area_to(false / n_normal, self._regions[used].cumsum() / self._n_regions, FPR_LIMIT),
            dice_oracle=float(self._dice_steps[used].cumsum().max()) / self.n_masks,
            dice=None if self.threshold is None else self._dice / self.n_masks,
            auc_error=tied,
            n_masks=self.n_masks,
        )


def _area_to(x: Floats, y: Floats, limit: float) -> float:
    """Return the area under the line through (0, 0) and the points (``x``, ``y``) up to ``limit``, over ``limit``."""
    x, y = np.concatenate([[0.0], x]), np.concatenate([[0.0], y])
    last = int(np.searchsorted(x, limit, side="right"))  # the first point beyond the limit; x ends at 1
    at_limit = float(np.interp(limit, x[last - 1 : last + 1], y[last - 1 : last + 1]))
    return float(np.trapezoid([*y[:last], at_limit], [*x[:last], limit])) / limit


def points_into(maps: NDArray[np.float32], boxes: NDArray[np.bool_]) -> bool:
    """Return whether the highest pixel of ``maps`` (N, H, W) lies in a box: the pointing game (Zhang et al., IJCV
    2018).

    If several pixels are highest, all of them must lie in a box, so that a constant map does not hit by chance.
    """
    _check_finite(maps)
    return bool(boxes[maps == maps.max()].all())


def _check_finite(maps: NDArray[np.float32]) -> None:
    if not np.isfinite(maps).all():
        raise UndefinedMetric(f"{int((~np.isfinite(maps)).sum())} pixels of an anomaly map are not finite")
