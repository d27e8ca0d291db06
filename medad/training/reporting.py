"""Record the losses of an epoch and report them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from medad.training.stepping import LOSS
from medad.training.task import Task, TrainingError

Track = Callable[[str, float, int], None]  # name, value, step


def histories(task: Task) -> list[tuple[str, list[float]]]:
    """Return the losses of the finished epochs by player, in the order of their steps: the opponents, then the task."""
    return [*((opponent.name, opponent.losses) for opponent in task.opponents), (LOSS, task.losses)]


def record(tasks: Sequence[Task], means: Mapping[str, Sequence[float]], track: Track) -> None:
    """Record and report the losses of an epoch, by player and task. Raises TrainingError if one is not finite."""
    for place, task in enumerate(tasks):
        for player, losses in histories(task):
            losses.append(means[player][place])
            if not math.isfinite(losses[-1]):
                what = "the loss" if player == LOSS else f"the loss of {player}"
                raise TrainingError(
                    f"{task.name}: {what} became {losses[-1]} in epoch {len(losses)}; lower the learning rate, and "
                    "look for constant or extreme images with 'medad inspect'"
                )
    for task in tasks:
        for player, losses in histories(task):
            track(f"{task.name}/{player}", losses[-1], len(losses))
