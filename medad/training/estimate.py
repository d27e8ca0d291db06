"""Estimate how long a training will take on this machine, by a few of its own steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Sequence

import torch

from medad.training.task import Task

log = logging.getLogger(__name__)
LEAST_STEPS = 500  # of a training that is worth an estimate
TIMED_STEPS = 2  # after one that is not timed, since the first is slower


def announce(tasks: Sequence[Task], workers: int, what: str) -> None:
    """Log how long the unfinished epochs of ``tasks`` will take with ``workers`` of them running at a time.

    A few steps of one task of each kind are computed and discarded: neither the networks nor the random numbers of the
    training change. Trainings of fewer than ``LEAST_STEPS`` steps are not announced.
    """
    if sum(_steps(task) for task in tasks) < LEAST_STEPS:
        return
    seconds: dict[Hashable, float] = {}
    total = 0.0
    for task in tasks:
        kind = (task.kin or task.name, len(task.images), task.batch_size)
        if kind not in seconds:
            seconds[kind] = _seconds_per_step(task)
        total += seconds[kind] * _steps(task)
    log.info("%s: about %s on this machine", what, duration(total / min(workers, len(tasks))))


def _steps(task: Task) -> int:
    epochs = task.epochs - len(task.losses)
    return epochs * len(task)


def _seconds_per_step(task: Task) -> float:
    """Return the seconds of a forward and a backward pass of ``task``, and restore everything that they change."""
    buffers = {name: value.clone() for name, value in task.network.named_buffers()}
    drawn, training = task.generator.get_state(), task.network.training
    task.network.train()
    batch = task.images[: task.batch_size].to(task.device)
    began = time.perf_counter()
    for step in range(1 + TIMED_STEPS):
        if step == 1:
            began = time.perf_counter()
        for loss in (*(opponent.loss for opponent in task.opponents), task.loss):
            loss(batch).sum().backward()  # type: ignore[no-untyped-call]
        if task.device.type == "cuda":
            torch.cuda.synchronize(task.device)
    seconds = (time.perf_counter() - began) / TIMED_STEPS
    for parameter in task.network.parameters():
        parameter.grad = None
    for name, value in task.network.named_buffers():
        value.copy_(buffers[name])
    task.generator.set_state(drawn)
    task.network.train(training)
    return seconds


def duration(seconds: float) -> str:
    """Return a duration in words: "40 s", "12 min" or "3.4 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
