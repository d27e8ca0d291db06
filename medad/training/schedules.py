"""Learning rates that change from epoch to epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Decay:
    """A step decay: the learning rate is multiplied by ``factor`` after every ``every`` epochs."""

    factor: float = 1.0
    every: int = 1

    def after(self, epochs: int) -> float:
        """Return the learning rate after ``epochs`` epochs as a share of the initial one."""
        return self.factor ** (epochs // self.every)


CONSTANT = Decay()


@dataclass(frozen=True)
class CosineDecay:
    """A decay along half a cosine wave, from the initial learning rate to ``least`` of it after ``epochs`` epochs."""

    epochs: int
    least: float = 0.0

    def after(self, epochs: int) -> float:
        """Return the learning rate after ``epochs`` epochs as a share of the initial one."""
        return self.least + (1 - self.least) * (1 + math.cos(math.pi * epochs / self.epochs)) / 2
