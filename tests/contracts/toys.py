"""Tasks that train in a moment, and one that dies at a chosen batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn

from medad.training import Task, adam, spawn

EPOCHS = 6
Losses = dict[tuple[str, int], float]


class Killed(BaseException):
    """Stands for what ends a process: nothing may catch it."""


def toy_network(seed: int = 0) -> nn.Module:
    """With a batch norm, whose buffers a checkpoint must hold too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.BatchNorm1d(4), nn.Linear(4, 16))


def toy_images(count: int = 22) -> Tensor:
    """Images of one pattern, each with its own strength: what two numbers can say."""
    rng = Generator().manual_seed(1)
    return torch.rand(count, 1, 1, 1, generator=rng) * torch.rand(1, 1, 4, 4, generator=rng)


def toy_task(name: str = "toy", epochs: int = EPOCHS, seed: int = 0, **more: object) -> Task:
    network = toy_network(seed)

    def loss(batch: Tensor) -> Tensor:
        return (network(batch) - batch.flatten(1)).square().mean()

    given = {"loss": loss, "images": toy_images(), "batch_size": 4, **more}
    optimizer = adam(network, 1e-2)
    return Task(name, network, optimizer=optimizer, epochs=epochs, generator=spawn(seeded(seed)), **given)  # type: ignore[arg-type]


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def into(losses: Losses) -> Callable[[str, float, int], None]:
    def track(name: str, value: float, step: int) -> None:
        losses[name, step] = value

    return track


def dying(task: Task, epoch: int, batch_of_epoch: int) -> Task:
    """The task, killed before a batch is learned from."""
    inner, steps = task.loss, iter(range(10_000))

    def loss(batch: Tensor) -> Tensor:
        if next(steps) == (epoch - 1) * len(task) + batch_of_epoch - 1:
            raise Killed
        return inner(batch)

    task.loss = loss
    return task


def counting(task: Task) -> list[int]:
    """A list that grows by one entry for each batch that the task learns from."""
    inner: Callable[[Tensor], Tensor] = task.loss
    steps: list[int] = []

    def loss(batch: Tensor) -> Tensor:
        steps.append(len(batch))
        return inner(batch)

    task.loss = loss
    return steps


def never(batch: Tensor) -> Tensor:
    raise AssertionError("trained again")
