"""The losses of a training, and whether they still fell when it ended."""

from __future__ import annotations

from collections.abc import Sequence

from medad.training import Track

LOSS = "/loss"


class LossHistory:
    """A tracker that keeps the loss of each network by epoch, and passes everything on to ``track``.

    It may be called from several threads.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._losses: dict[str, dict[int, float]] = {}

    def __call__(self, name: str, value: float, step: int) -> None:
        """Take one value of a metric; "NETWORK/loss" is a loss."""
        if name.endswith(LOSS):
            self._losses.setdefault(name.removesuffix(LOSS), {})[step] = value
        self._track(name, value, step)

    def falls(self) -> dict[str, float]:
        """For each network, how far its loss fell at the end: :func:`late_fall`."""
        return {name: late_fall([losses[step] for step in sorted(losses)]) for name, losses in self._losses.items()}


def late_fall(losses: Sequence[float]) -> float:
    """How much lower the mean loss of the last tenth of the epochs is than that of the tenth before, as a share of it.

    A tenth is one epoch at least. The share is of the earlier mean, or of a tenth of the losses' whole range where that
    is more, since a loss may pass through zero. A single epoch has nothing before it: 1.
    """
    width = max(1, len(losses) // 10)
    if len(losses) < 2 * width:
        return 1.0
    last = sum(losses[-width:]) / width
    before = sum(losses[-2 * width : -width]) / width
    size = max(abs(before), 0.1 * (max(losses) - min(losses)))
    return (before - last) / size if size else 0.0
