"""The only optimization loop: tasks run on MONAI's Trainer, side by side where there are cores for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from medad.progress import Advance, progress
from medad.types import MedadError

SECONDS_BETWEEN_CHECKPOINTS = 30.0

Track = Callable[[str, float, int], None]  # name, value, step


class TrainingError(MedadError):
    """Training that cannot start or that has diverged."""


@dataclass
class Task:
    """One network to train. ``loss`` maps a batch (B, C, H, W) to a scalar; ``generator`` is the only randomness.

    ``images`` (N, C, H, W) stay where they are, in memory; each epoch visits them in a new order and drops the
    incomplete last batch.
    """

    name: str
    network: nn.Module
    loss: Callable[[Tensor], Tensor]
    images: Tensor
    optimizer: Optimizer
    batch_size: int
    epochs: int
    generator: Generator
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.images) < self.batch_size:
            raise TrainingError(
                f"{self.name}: {len(self.images)} training images do not fill one batch of {self.batch_size}; "
                f"lower the batch size (--set batch_size={max(2, len(self.images) // 2)}) or give more studies"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.images) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.randperm(len(self.images), generator=self.generator)
        for chosen in order[: len(self) * self.batch_size].view(len(self), -1):
            yield self.images[chosen.to(self.images.device)]


def adam(network: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> Optimizer:
    """Adam with the betas of DDAD (0.5, 0.999), as one fused kernel."""
    return torch.optim.Adam(
        network.parameters(), lr=learning_rate, betas=(0.5, 0.999), weight_decay=weight_decay, fused=True
    )


def spawn(rng: Generator) -> Generator:
    """A generator of its own, seeded by ``rng``."""
    return Generator().manual_seed(int(torch.randint(2**62, (), generator=rng)))


def train(tasks: Sequence[Task], what: str, *, track: Track, keep: Path | None = None) -> None:
    """Train every task to its last epoch; ``track`` gets "NAME/loss" for each epoch.

    On a CPU the tasks share the cores, one thread each: small networks gain little from a second thread and lose much
    when a core is taken. The result does not depend on how many run at a time. With ``keep``, the state of each task
    is stored there now and then, and a killed training continues from it to the same result.
    """
    on_cpu = tasks[0].images.device.type == "cpu"
    workers = min(len(tasks), torch.get_num_threads()) if on_cpu else 1
    stop = threading.Event()
    total = sum(task.epochs for task in tasks)
    with _threads(1 if on_cpu else None), progress(what, total) as advance, ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_run, task, track, keep, stop, advance) for task in tasks]
        try:
            for future in running:
                future.result()
        except BaseException:
            stop.set()
            for future in running:
                future.cancel()
            raise


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run(task: Task, track: Track, keep: Path | None, stop: threading.Event, advance: Advance) -> None:
    from ignite.engine import Events
    from monai.engines import Trainer

    store = keep / f"{task.name.replace('/', '-')}.pt" if keep else None
    _resume(task, store, track, advance)
    if len(task.losses) == task.epochs:
        return
    task.network.train()
    sums = torch.zeros((), dtype=torch.float64)
    saved = time.monotonic()

    def step(engine: Any, batch: Tensor) -> None:
        if stop.is_set():
            engine.terminate()
            return
        task.optimizer.zero_grad(set_to_none=True)
        loss = task.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        task.optimizer.step()
        sums.add_(loss.detach().cpu())

    def finish_epoch(engine: Any) -> None:
        nonlocal saved
        if stop.is_set():
            return
        task.losses.append(float(sums) / len(task))
        sums.zero_()
        _check(task)
        track(f"{task.name}/loss", task.losses[-1], len(task.losses))
        advance(1)
        now = time.monotonic()
        if store and (now - saved >= SECONDS_BETWEEN_CHECKPOINTS or len(task.losses) == task.epochs):
            _store(task, store)
            saved = now

    epochs = task.epochs - len(task.losses)
    engine = Trainer(task.images.device, epochs, task, iteration_update=step, decollate=False)
    engine.add_event_handler(Events.EPOCH_COMPLETED, finish_epoch)
    engine.run()
    task.network.eval()


def _check(task: Task) -> None:
    if not torch.isfinite(torch.tensor(task.losses[-1])):
        raise TrainingError(
            f"{task.name}: the loss became {task.losses[-1]} in epoch {len(task.losses)}; lower the learning rate, "
            "and look for constant or extreme images with 'medad inspect'"
        )


def _store(task: Task, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "network": task.network.state_dict(),
        "optimizer": task.optimizer.state_dict(),
        "generator": task.generator.get_state(),
        "losses": task.losses,
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def _resume(task: Task, path: Path | None, track: Track, advance: Advance) -> None:
    if path is None or not path.is_file():
        return
    state = torch.load(path, weights_only=True, map_location=task.images.device)
    task.network.load_state_dict(state["network"])
    task.optimizer.load_state_dict(state["optimizer"])
    task.generator.set_state(state["generator"].cpu())
    task.losses[:] = state["losses"]
    for epoch, loss in enumerate(task.losses, start=1):
        track(f"{task.name}/loss", loss, epoch)
    advance(len(task.losses))
