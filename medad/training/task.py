"""Define a training task: a network, its loss, its images, and the order of its batches."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from medad.training.checkpoints import State
from medad.training.schedules import CONSTANT, CosineDecay, Decay
from medad.training.stepping import Loss
from medad.types import MedadError


class TrainingError(MedadError):
    """The training cannot start, or it has diverged."""


@dataclass
class Opponent:
    """A player of an adversarial task, such as a discriminator, which takes its step before the task's own loss does.

    ``loss`` maps the batch (B, C, H, W) to a scalar, and ``optimizer`` minimizes it over its own parameters, which are
    part of the task's network. It is reported as "TASK/NAME"; ``losses`` are those of the finished epochs.
    """

    name: str
    loss: Loss
    optimizer: Optimizer
    losses: list[float] = field(default_factory=list)


@dataclass
class Task:
    """One network to train. ``loss`` maps a batch (B, C, H, W) to a scalar; ``generator`` is the only randomness.

    ``images`` (N, C, H, W) stay in memory on their device. Each epoch visits them in a new random order and drops an
    incomplete last batch, unless ``keep_last``. With ``steps``, an epoch has this number of complete batches instead,
    from as many new orders as they need. Batches are moved to the network's device if needed. A gradient with a 2-norm
    above ``clip`` is scaled down to it.

    Tasks of equal ``kin`` may be trained together: their networks have the same architecture, and their losses depend
    only on the network's weights and the batch.

    In an adversarial task every batch first gives each of ``opponents`` a step. The task's own loss, which moves the
    parameters in ``optimizer`` alone, follows in the first of every ``every`` batches of an epoch. ``prepare`` is
    called before each epoch; it may depend on the losses of finished epochs and on the generator.

    ``also`` names further values that determine the result, such as the weight of a term of the loss; a checkpoint with
    other values is refused.
    """

    name: str
    network: nn.Module
    loss: Loss
    images: Tensor
    optimizer: Optimizer
    batch_size: int
    epochs: int
    generator: Generator
    losses: list[float] = field(default_factory=list)
    kin: Hashable = None
    decay: Decay | CosineDecay = CONSTANT
    keep_last: bool = False
    clip: float | None = None
    also: Mapping[str, str | int | float] = field(default_factory=dict)
    opponents: Sequence[Opponent] = ()
    every: int = 1
    prepare: Callable[[], None] | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if len(self.images) < self.batch_size and not self.keep_last and self.steps is None:
            raise TrainingError(
                f"{self.name}: {len(self.images)} training images do not fill one batch of {self.batch_size}; "
                f"lower the batch size (--set batch_size={max(2, len(self.images) // 2)}) or give more studies"
            )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        if self.steps is not None:
            return self.steps
        complete, rest = divmod(len(self.images), self.batch_size)
        return complete + (1 if rest and self.keep_last else 0)

    @property
    def device(self) -> torch.device:
        """Return the device of the network."""
        return next(self.network.parameters()).device

    @property
    def learning_rate(self) -> float:
        """Return the learning rate of the next epoch."""
        return self.rate_of(self.optimizer)

    def rate_of(self, optimizer: Optimizer) -> float:
        """Return the learning rate of ``optimizer``, the task's or an opponent's, in the next epoch."""
        return float(optimizer.defaults["lr"]) * self.decay.after(len(self.losses))

    def _identity(self) -> dict[str, str | int | float]:
        """Return the values that determine the result, except the number of epochs, which may be increased later."""
        some = self.images[:: -(-len(self.images) // 16)].cpu().contiguous()
        return {
            "seed": self.generator.initial_seed(),
            "batch size": self.batch_size,
            "optimizer": f"{_described(self.optimizer)} {self.decay}",
            **({"last batch": "kept"} if self.keep_last else {}),
            **({} if self.clip is None else {"clip": self.clip}),
            **({} if self.every == 1 else {"every": self.every}),
            **({} if self.steps is None else {"steps": self.steps}),
            **{f"optimizer of {opponent.name}": _described(opponent.optimizer) for opponent in self.opponents},
            **self.also,
            "images": f"{tuple(self.images.shape)} {zlib.crc32(some.numpy().tobytes())}",
        }

    def order(self) -> tuple[Tensor, ...]:
        """Return the image indices of each batch of the next epoch, (batch size,); a last batch may have fewer."""
        passes = 1 if self.steps is None else -(-self.steps * self.batch_size // len(self.images))
        order = torch.cat([torch.randperm(len(self.images), generator=self.generator) for _ in range(passes)])
        return torch.split(order[: len(self) * self.batch_size], self.batch_size)

    def state(self) -> State:
        """Return the state from which :meth:`restore` continues after the last finished epoch."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "losses": self.losses,
            "of": self._identity(),
            **({"opponents": [_state_of(opponent) for opponent in self.opponents]} if self.opponents else {}),
        }

    def restore(self, state: State, source: Path) -> None:
        """Restore a state that was read from the folder ``source``.

        Raises:
            TrainingError: the state belongs to a training with other settings or images, or has more epochs.
        """
        current, stored = self._identity(), state["of"]
        differing = [what for what in {**current, **stored} if current.get(what) != stored.get(what)]
        if differing or len(state["losses"]) > self.epochs:
            raise TrainingError(
                f"{source} holds a checkpoint of {self.name} with other {', '.join(differing) or 'epochs'}: "
                "remove the folder to train anew, or go on with the settings and data it was made with"
            )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.losses[:] = state["losses"]
        for opponent, stored_opponent in zip(self.opponents, state.get("opponents", ()), strict=True):
            opponent.optimizer.load_state_dict(stored_opponent["optimizer"])
            opponent.losses[:] = stored_opponent["losses"]


def _described(optimizer: Optimizer) -> str:
    return f"{type(optimizer).__name__} {optimizer.defaults}"


def _state_of(opponent: Opponent) -> State:
    return {"optimizer": opponent.optimizer.state_dict(), "losses": opponent.losses}


class Batches:
    """An iterable over one epoch of K tasks with the same images: yields batches (K, B, C, H, W) on ``device``."""

    def __init__(self, tasks: Sequence[Task], device: torch.device) -> None:
        self._tasks, self._device = tasks, device
        images = tasks[0].images
        self._images = images if images.device.type == "cpu" else images.to(device)

    def __len__(self) -> int:
        return len(self._tasks[0])

    def __iter__(self) -> Iterator[Tensor]:
        orders = torch.stack([torch.cat(task.order()) for task in self._tasks]).to(self._images.device)
        for chosen in torch.split(orders, self._tasks[0].batch_size, dim=1):
            yield _moved(self._images[chosen], self._device)


def _moved(batch: Tensor, device: torch.device) -> Tensor:
    if batch.device.type == "cpu" and device.type == "cuda":  # the copy overlaps the previous step
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)
