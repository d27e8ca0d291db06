"""Record the losses of a training, and measure whether they still fell at its end."""

from __future__ import annotations

from collections.abc import Sequence

from medad.training import Track

LOSS = "/loss"


class LossHistory:
    """A tracker that records the loss of each network by epoch and forwards every metric to ``track``.

    It may be called from several threads.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._losses: dict[str, dict[int, float]] = {}

    def __call__(self, name: str, value: float, step: int) -> None:
        """Record one value of a metric; a name of the form "NETWORK/loss" is a loss."""
        if name.endswith(LOSS):
            self._losses.setdefault(name.removesuffix(LOSS), {})[step] = value
        self._track(name, value, step)

    def falls(self) -> dict[str, float]:
        """Return for each network how much its loss fell at the end (:func:`late_fall`)."""
        return {name: late_fall([losses[step] for step in sorted(losses)]) for name, losses in self._losses.items()}


def late_fall(losses: Sequence[float]) -> float:
    """Return the relative decrease of the mean loss from the second-to-last to the last tenth of the epochs.

    A tenth is at least one epoch. The decrease is divided by the earlier mean, or by a tenth of the losses' whole range
    if that is larger, since a loss may pass through zero. The result for a single epoch is 1.
    """
    width = max(1, len(losses) // 10)
    if len(losses) < 2 * width:
        return 1.0
    last = sum(losses[-width:]) / width
    before = sum(losses[-2 * width : -width]) / width
    size = max(abs(before), 0.1 * (max(losses) - min(losses)))
    return (before - last) / size if size else 0.0
