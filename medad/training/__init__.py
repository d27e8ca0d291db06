"""Train networks on MONAI's Trainer: vectorized together on a GPU, in parallel threads on a CPU."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medad.progress import Advance, progress
from medad.training import checkpoints
from medad.training.estimate import announce
from medad.training.grouping import crews, visible
from medad.training.optimizers import adam, adamw, copied, rmsprop, sgd, spawn
from medad.training.reporting import Track, histories, record
from medad.training.schedules import CosineDecay, Decay
from medad.training.stepping import Alone, Player, Stepper, Together
from medad.training.task import Batches, Opponent, Task, TrainingError

__all__ = [
    "SECONDS_BETWEEN_CHECKPOINTS",
    "CosineDecay",
    "Decay",
    "Opponent",
    "Task",
    "Track",
    "TrainingError",
    "adam",
    "adamw",
    "copied",
    "rmsprop",
    "sgd",
    "spawn",
    "train",
    "visible",
]
log = logging.getLogger(__name__)
SECONDS_BETWEEN_CHECKPOINTS = 30.0


def train(
    tasks: Sequence[Task],
    what: str,
    *,
    track: Track,
    keep: Path | None = None,
    together: bool | None = None,
    amp: bool = False,
    devices: Sequence[torch.device] = (),
    later: Sequence[Task] = (),
) -> None:
    """Train every task to its last epoch, and report "NAME/loss" to ``track`` after each epoch.

    On a CPU the tasks share the cores with one thread each: small networks gain little from a second thread and lose
    much when a core is busy. The result does not depend on how many tasks run at a time. A small network does not fill
    a GPU, so there tasks of equal ``kin`` take their steps together; ``together`` overrides this choice on any device.
    These groups are distributed over ``devices``; other tasks are trained on the devices of their networks.

    With ``keep``, checkpoints are written to that folder, and a killed training resumes from them to the same result.
    With ``amp``, a GPU with bfloat16 support uses PyTorch's autocast to bfloat16. ``what`` names the progress bar.
    How long a long training will take is logged before it starts; ``later`` are tasks of the same method that follow.

    Raises:
        TrainingError: a loss is not finite, or a checkpoint in ``keep`` belongs to another training.
    """
    on_cpu, on_gpu = (tasks[0].device.type == kind for kind in ("cpu", "cuda"))
    workers = torch.get_num_threads() if on_cpu else max(1, len(devices))
    total = sum(task.epochs for task in tasks)
    with _threads(1 if on_cpu else None), progress(what, total) as advance:
        session = _Session(track, advance, keep, amp and _has_bfloat16(tasks[0].device), threading.Event())
        _resume(tasks, session)
        announce([*tasks, *later], workers, what)
        groups = crews(tasks, on_gpu if together is None else together, devices)
        with ThreadPoolExecutor(workers) as pool:
            running = [pool.submit(_run, group, device, session) for group, device in groups]
            try:
                for future in wait(running, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                session.stop.set()
                for future in running:
                    future.cancel()
                raise


@dataclass(frozen=True)
class _Session:
    """The state that all tasks of one call of :func:`train` share."""

    track: Track
    advance: Advance
    keep: Path | None
    bfloat16: bool
    stop: threading.Event


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return True
    log.warning("amp=true needs a GPU with bfloat16 arithmetic: training in float32 on %s", device)
    return False


def _resume(tasks: Sequence[Task], session: _Session) -> None:
    if session.keep is None:
        return
    states = checkpoints.read(session.keep, [task.name for task in tasks])
    for task in tasks:
        if task.name in states:
            task.restore(states[task.name], session.keep)
            for player, losses in histories(task):
                for epoch, loss in enumerate(losses, start=1):
                    session.track(f"{task.name}/{player}", loss, epoch)
            session.advance(len(task.losses))


def _stepper(tasks: Sequence[Task], device: torch.device) -> Stepper:
    first = tasks[0]
    if len(tasks) == 1 and device == first.device:
        opponents = {opponent.name: Player(opponent.loss, opponent.optimizer) for opponent in first.opponents}
        return Alone(first.loss, first.optimizer, opponents, first.every)
    return Together([task.network for task in tasks], first.loss, [task.optimizer for task in tasks], device)


def _run(tasks: Sequence[Task], device: torch.device, session: _Session) -> None:
    """Train ``tasks``, which take every step together, from their current epoch to the last one."""
    from ignite.engine import Events
    from monai.engines import Trainer

    for task in tasks:
        task.network.train()
    stepper = _stepper(tasks, device)
    batch_losses: dict[str, list[Tensor]] = {}
    saved = time.monotonic()

    def begin_epoch(engine: Any) -> None:
        for task in tasks:
            if task.prepare is not None:
                task.prepare()
        for optimizer in (stepper.optimizer, *(opponent.optimizer for opponent in tasks[0].opponents)):
            for group in optimizer.param_groups:
                group["lr"] = tasks[0].rate_of(optimizer)

    def step(engine: Any, batches: Tensor) -> None:
        if session.stop.is_set():
            engine.terminate()
            return
        place = (engine.state.iteration - 1) % len(tasks[0])  # of the batch in its epoch
        for name, losses in _step(stepper, batches, place, tasks[0].clip, session):
            batch_losses.setdefault(name, []).append(losses)

    def finish_epoch(engine: Any) -> None:
        nonlocal saved
        if session.stop.is_set():
            return
        means = {name: torch.stack(losses).cpu().double().mean(dim=0) for name, losses in batch_losses.items()}
        batch_losses.clear()
        record(tasks, {name: losses.tolist() for name, losses in means.items()}, session.track)
        session.advance(len(tasks))
        now, last = time.monotonic(), len(tasks[0].losses) == tasks[0].epochs
        if session.keep and (now - saved >= SECONDS_BETWEEN_CHECKPOINTS or last):
            stepper.give_back()
            checkpoints.write(session.keep, {task.name: task.state() for task in tasks})
            saved = now

    epochs = tasks[0].epochs - len(tasks[0].losses)
    engine = Trainer(device, epochs, Batches(tasks, device), iteration_update=step, decollate=False)
    engine.add_event_handler(Events.EPOCH_STARTED, begin_epoch)
    engine.add_event_handler(Events.EPOCH_COMPLETED, finish_epoch)
    engine.run()
    stepper.give_back()
    for task in tasks:
        task.network.eval()


def _step(
    stepper: Stepper, batches: Tensor, place: int, clip: float | None, session: _Session
) -> Iterator[tuple[str, Tensor]]:
    """Take the step of each player on a batch, number ``place`` of its epoch; yield its name and losses (K,)."""
    for name, player in stepper.players(place):
        player.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(batches.device.type, torch.bfloat16, enabled=session.bfloat16):
            losses = player.losses(batches)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if clip is not None:
            player.clip(clip)
        player.optimizer.step()
        yield name, losses.detach()
