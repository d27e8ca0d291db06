"""Accumulate the mean and the standard deviation of feature maps at each position, over many images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class PositionMoments:
    """Sums over images of feature maps (B, C_s, h_s, w_s) and of their squares, for each scale s."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: list[tuple[Tensor, Tensor]] = []

    def add(self, maps: Sequence[Tensor]) -> None:
        """Add the maps of a batch of images, one tensor (B, C_s, h_s, w_s) for each scale."""
        new = [(values.double().sum(dim=0), values.double().square().sum(dim=0)) for values in maps]
        self._sums = [(a + c, b + d) for (a, b), (c, d) in zip(self._sums, new, strict=True)] if self._sums else new
        self._count += len(maps[0])

    def means(self) -> list[Tensor]:
        """Return the mean map (C_s, h_s, w_s) of each scale."""
        return [total / self._count for total, _ in self._sums]

    def mean_and_spread(self) -> list[tuple[Tensor, Tensor]]:
        """Return mean and standard deviation (divided by N, not N - 1) of each scale, (C_s, h_s, w_s) each."""
        return [
            (mean, (squares / self._count - mean.square()).clamp_min(0).sqrt())
            for mean, (_, squares) in zip(self.means(), self._sums, strict=True)
        ]
