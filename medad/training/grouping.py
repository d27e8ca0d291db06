"""Group the tasks that take their steps together, and choose the device of each group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from medad.training.task import Task


def visible(device: torch.device) -> list[torch.device]:
    """Return the devices that ``device`` stands for: every visible GPU for "cuda", else the device itself."""
    if device.type == "cuda" and device.index is None:
        return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return [device]


def crews(
    tasks: Sequence[Task], together: bool, devices: Sequence[torch.device]
) -> list[tuple[list[Task], torch.device]]:
    """Return the unfinished tasks in groups that take their steps together, each with its device."""
    groups: dict[Hashable, list[Task]] = {}
    for task in tasks:
        if len(task.losses) < task.epochs:
            shared = (
                task.kin,
                id(task.images),
                task.batch_size,
                task.epochs,
                len(task.losses),
                str(task.optimizer),
                task.decay,
                task.keep_last,
                task.steps,
                task.clip,
            )
            groups.setdefault(task.name if task.kin is None or not together else shared, []).append(task)
    return [
        (group, devices[place % len(devices)] if devices and group[0].kin is not None else group[0].device)
        for place, group in enumerate(groups.values())
    ]
