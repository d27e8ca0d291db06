"""The optimization loop: what it visits, what it reports, what it refuses, and that a killed training goes on."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import torch
from contracts.fakes import fit, ignore, same_weights, small
from torch import Generator, Tensor, nn

import medad.training
from medad.methods._method import Method
from medad.training import Task, TrainingError, adam, spawn, train
from medad.types import MedadError

EPOCHS = 6
Losses = dict[tuple[str, int], float]


class Killed(BaseException):
    """Stands for what ends a process: nothing may catch it."""


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def at_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)


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
    return Task(name, network, optimizer=optimizer, epochs=epochs, generator=spawn(_rng(seed)), **given)  # type: ignore[arg-type]


def _rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


def into(losses: Losses) -> Callable[[str, float, int], None]:
    def track(name: str, value: float, step: int) -> None:
        losses[name, step] = value

    return track


def numbered(seen: list[list[int]], count: int, batch_size: int, epochs: int, seed: int = 0) -> Task:
    """A task that notes which images are in each batch."""
    network = nn.Linear(1, 1)

    def loss(batch: Tensor) -> Tensor:
        seen.append(batch.flatten().int().tolist())
        return network(batch.flatten(1)).square().mean()

    images = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1)
    return Task("numbered", network, loss, images, adam(network, 1e-6), batch_size, epochs, _rng(seed))


def test_the_loss_goes_down() -> None:
    losses: Losses = {}
    train([toy_task(epochs=40)], "toy", track=into(losses))
    values = [losses["toy/loss", epoch] for epoch in range(1, 41)]
    assert list(losses) == [("toy/loss", epoch) for epoch in range(1, 41)]
    assert values[-1] < 0.25 * values[0]


def test_the_loss_of_an_epoch_is_the_mean_over_its_batches() -> None:
    each: list[float] = []
    task = toy_task(epochs=3)
    inner = task.loss

    def noted(batch: Tensor) -> Tensor:
        value = inner(batch)
        each.append(value.item())
        return value

    task.loss = noted
    losses: Losses = {}
    train([task], "toy", track=into(losses))
    batches = torch.tensor(each, dtype=torch.float64).view(3, 5)
    assert list(losses.values()) == pytest.approx(batches.mean(dim=1).tolist())
    assert task.losses == list(losses.values())


@pytest.mark.parametrize(("count", "batch_size", "batches"), [(10, 4, 2), (8, 4, 2), (4, 4, 1), (7, 2, 3)])
def test_an_epoch_is_a_permutation_without_the_incomplete_batch(count: int, batch_size: int, batches: int) -> None:
    seen: list[list[int]] = []
    train([numbered(seen, count, batch_size, epochs=5)], "numbered", track=ignore)
    assert [len(batch) for batch in seen] == [batch_size] * (5 * batches)
    epochs = [list(chain(*seen[start : start + batches])) for start in range(0, len(seen), batches)]
    for epoch in epochs:
        assert len(set(epoch)) == batches * batch_size
        assert set(epoch) <= set(range(count))
    assert len({tuple(epoch) for epoch in epochs}) == 5


def test_every_image_is_visited_sooner_or_later() -> None:
    seen: list[list[int]] = []
    train([numbered(seen, 7, 4, epochs=40)], "numbered", track=ignore)
    visits = torch.bincount(torch.tensor(list(chain(*seen))), minlength=7)
    assert visits.min() > 40 * 4 / 7 / 2


def test_the_generator_decides_the_order() -> None:
    orders = []
    for seed in (0, 0, 1):
        seen: list[list[int]] = []
        train([numbered(seen, 10, 4, epochs=2, seed=seed)], "numbered", track=ignore)
        orders.append(seen)
    assert orders[0] == orders[1] != orders[2]


def test_too_few_images_for_a_batch_name_the_setting() -> None:
    with pytest.raises(TrainingError, match=r"toy: 5 training images .* batch of 8.*--set batch_size=2"):
        toy_task(images=toy_images(5), batch_size=8)
    assert len(toy_task(images=toy_images(8), batch_size=8)) == 1


def test_divergence_names_the_task_and_the_epoch() -> None:
    task = toy_task("ndm1")
    inner, steps = task.loss, iter(range(1000))
    task.loss = lambda batch: inner(batch) * (float("nan") if next(steps) >= 2 * len(task) else 1.0)
    losses: Losses = {}
    with pytest.raises(TrainingError, match=r"ndm1: the loss became nan in epoch 3; lower the learning rate"):
        train([task], "toy", track=into(losses))
    assert list(losses) == [("ndm1/loss", 1), ("ndm1/loss", 2)]


def test_an_infinite_loss_is_divergence_too() -> None:
    task = toy_task()
    inner = task.loss
    task.loss = lambda batch: inner(batch) + float("inf")
    with pytest.raises(TrainingError, match=r"toy: the loss became inf in epoch 1"):
        train([task], "toy", track=ignore)


def test_divergence_is_never_continued_from(tmp_path: Path, at_every_epoch: None) -> None:
    task = toy_task()
    inner, steps = task.loss, iter(range(1000))
    task.loss = lambda batch: inner(batch) * (float("nan") if next(steps) >= 2 * len(task) else 1.0)
    with pytest.raises(TrainingError):
        train([task], "toy", track=ignore, keep=tmp_path)
    again, whole = toy_task(), toy_task()
    train([again], "toy", track=ignore, keep=tmp_path)
    train([whole], "toy", track=ignore)
    assert same_weights(again.network, whole.network)


def test_trains_in_training_mode_and_ends_in_evaluation_mode() -> None:
    task, modes = toy_task(), set()
    inner = task.loss
    task.network.eval()

    def noted(batch: Tensor) -> Tensor:
        modes.add(task.network.training)
        return inner(batch)

    task.loss = noted
    train([task], "toy", track=ignore)
    assert modes == {True}
    assert not task.network.training


def test_adam_has_the_published_betas() -> None:
    group = adam(toy_network(), 5e-4, 1e-4).param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (5e-4, (0.5, 0.999), 1e-4)
    assert adam(toy_network(), 5e-4).param_groups[0]["weight_decay"] == 0


def test_spawned_generators_differ_and_depend_on_the_seed() -> None:
    parents = [_rng(0), _rng(0), _rng(1)]
    seeds = [[spawn(parent).initial_seed() for _ in range(3)] for parent in parents]
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(set(seeds[0] + seeds[2])) == 6


# Several at a time.


def test_side_by_side_and_one_after_another_give_equal_weights() -> None:
    trained: list[list[Task]] = []
    overlap: list[set[str]] = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tasks, order = [toy_task(f"t{index}", epochs=20, seed=index) for index in range(4)], []
        train(tasks, "toy", track=lambda name, value, step, order=order: order.append(name))
        assert torch.get_num_threads() == threads
        assert sorted(order) == sorted(f"t{index}/loss" for index in range(4) for _ in range(20))
        trained.append(tasks)
        overlap.append(set(order[:20]))
    assert overlap[0] == {"t0/loss"}  # alone: one after another
    for one, two in zip(*trained, strict=True):
        assert same_weights(one.network, two.network)
        assert one.losses == two.losses


def test_two_workers_run_at_the_same_time_with_one_thread_each() -> None:
    together: list[set[str]] = []
    threads: set[int] = set()
    running: set[str] = set()

    def watched(name: str) -> Task:
        task = toy_task(name, epochs=3)
        inner = task.loss

        def loss(batch: Tensor) -> Tensor:
            running.add(name)
            time.sleep(0.005)
            together.append(set(running))
            threads.add(torch.get_num_threads())
            running.discard(name)
            return inner(batch)

        task.loss = loss
        return task

    train([watched("a"), watched("b"), watched("c")], "toy", track=ignore)
    assert max(len(names) for names in together) == 2
    assert threads == {1}


@pytest.mark.parametrize(
    "failing",
    [
        0,
        pytest.param(
            1,
            marks=pytest.mark.xfail(
                strict=True, reason="train() waits for the first task to end before it looks at the second one's error"
            ),
        ),
    ],
)
def test_an_error_in_one_task_stops_the_others_and_comes_out(failing: int) -> None:
    steps = [0, 0, 0]
    tasks = [toy_task(f"t{index}", epochs=60) for index in range(3)]

    def counted(index: int, inner: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
        steps[index] += 1
        if index == failing and steps[index] > 3:
            raise RuntimeError("out of luck")
        time.sleep(0.002 if index != failing else 0)
        return inner(batch)

    for index, task in enumerate(tasks):
        task.loss = partial(counted, index, task.loss)
    with pytest.raises(RuntimeError, match="out of luck"):
        train(tasks, "toy", track=ignore)
    assert steps[failing] == 4
    assert max(steps) < 150, f"{steps} of 300 steps"
    assert torch.get_num_threads() == 2


def test_after_an_error_the_tasks_that_wait_are_not_begun() -> None:
    torch.set_num_threads(1)
    first, second = toy_task("first"), toy_task("second", epochs=2000)
    steps = _counting(second)
    first.loss = partial(_never)
    with pytest.raises(AssertionError, match="trained again"):
        train([first, second], "toy", track=ignore)
    assert len(steps) < 2000


# Killed and continued.


def dying(task: Task, epoch: int, batch_of_epoch: int) -> Task:
    """The task, killed before a batch is learned from."""
    inner, steps = task.loss, iter(range(10_000))

    def loss(batch: Tensor) -> Tensor:
        if next(steps) == (epoch - 1) * len(task) + batch_of_epoch - 1:
            raise Killed
        return inner(batch)

    task.loss = loss
    return task


@pytest.mark.parametrize(("epoch", "batch"), [(1, 1), (1, 3), (2, 1), (3, 1), (3, 3), (3, 5), (6, 5)])
def test_killed_in_a_batch_and_continued_to_equal_weights(
    epoch: int, batch: int, tmp_path: Path, at_every_epoch: None
) -> None:
    whole, expected, losses = toy_task(), {}, {}
    train([whole], "toy", track=into(expected))
    with pytest.raises(Killed):
        train([dying(toy_task(), epoch, batch)], "toy", track=ignore, keep=tmp_path)
    again = toy_task()
    if epoch > 1:  # all that was learned must come from the checkpoint, nothing from where the network is now
        for value in again.network.parameters():
            nn.init.ones_(value)
    steps = _counting(again)
    train([again], "toy", track=into(losses), keep=tmp_path)
    assert same_weights(again.network, whole.network)
    assert losses == expected
    assert list(losses) == [("toy/loss", step) for step in range(1, EPOCHS + 1)]
    assert len(steps) == (EPOCHS - epoch + 1) * len(again)
    assert _optimizer_state(again) == _optimizer_state(whole)


def _counting(task: Task) -> list[int]:
    inner: Callable[[Tensor], Tensor] = task.loss
    steps: list[int] = []

    def loss(batch: Tensor) -> Tensor:
        steps.append(len(batch))
        return inner(batch)

    task.loss = loss
    return steps


def _optimizer_state(task: Task) -> dict[int, list[object]]:
    state = task.optimizer.state_dict()["state"]
    return {key: [value.tolist() for value in one.values()] for key, one in state.items()}


def test_killed_while_reporting_and_continued_to_equal_weights(tmp_path: Path, at_every_epoch: None) -> None:
    def track(name: str, value: float, step: int) -> None:
        if step == 3:
            raise Killed

    whole, again, losses = toy_task(), toy_task(), {}
    train([whole], "toy", track=ignore)
    with pytest.raises(Killed):
        train([toy_task()], "toy", track=track, keep=tmp_path)
    train([again], "toy", track=into(losses), keep=tmp_path)
    assert same_weights(again.network, whole.network)
    assert [step for _, step in losses] == [1, 2, 3, 4, 5, 6]


def test_killed_while_writing_leaves_the_checkpoint_before(
    tmp_path: Path, at_every_epoch: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, written = torch.save, iter(range(100))

    def half(state: object, path: Path) -> None:
        if next(written) == 2:
            Path(path).write_bytes(b"half of it")
            raise Killed
        save(state, path)

    whole, again = toy_task(), toy_task()
    train([whole], "toy", track=ignore)
    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        train([toy_task()], "toy", track=ignore, keep=tmp_path)
    monkeypatch.undo()
    train([again], "toy", track=ignore, keep=tmp_path)
    assert same_weights(again.network, whole.network)


def test_without_a_checkpoint_it_begins_again(tmp_path: Path) -> None:
    """Killed before the first checkpoint is due."""
    whole, again = toy_task(), toy_task()
    train([whole], "toy", track=ignore)
    with pytest.raises(Killed):
        train([dying(toy_task(), 3, 2)], "toy", track=ignore, keep=tmp_path)
    assert not list(tmp_path.rglob("*.pt"))
    train([again], "toy", track=ignore, keep=tmp_path)
    assert same_weights(again.network, whole.network)


def test_checkpoints_do_not_change_the_result(tmp_path: Path, at_every_epoch: None) -> None:
    plain, kept = toy_task(), toy_task()
    train([plain], "toy", track=ignore)
    train([kept], "toy", track=ignore, keep=tmp_path / "new" / "folder")
    assert same_weights(plain.network, kept.network)
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["toy.pt"]


def test_a_finished_task_is_not_trained_again(tmp_path: Path) -> None:
    first, again, losses = toy_task(), toy_task(), {}
    train([first], "toy", track=ignore, keep=tmp_path)
    again.loss = partial(_never)
    train([again], "toy", track=into(losses), keep=tmp_path)
    assert same_weights(first.network, again.network)
    assert list(losses.values()) == first.losses


def _never(batch: Tensor) -> Tensor:
    raise AssertionError("trained again")


@pytest.mark.xfail(strict=True, reason="a checkpoint does not say what it is a checkpoint of")
@pytest.mark.parametrize("other", ["seed", "learning rate", "batch size", "images", "fewer epochs"])
def test_a_checkpoint_of_another_training_is_not_continued(other: str, tmp_path: Path, at_every_epoch: None) -> None:
    """Either it is refused with an error that names the folder, or it is ignored; never a mixture of the two."""

    def task() -> Task:
        if other == "images":
            return toy_task(images=toy_images() + 1)
        if other in ("batch size", "fewer epochs"):
            return toy_task(**{"batch size": {"batch_size": 2}, "fewer epochs": {"epochs": 2}}[other])  # type: ignore[arg-type]
        made = toy_task(seed=1 if other == "seed" else 0)
        if other == "learning rate":
            made.optimizer = adam(made.network, 1e-3)
        return made

    whole, again = task(), task()
    train([whole], "toy", track=ignore)
    with pytest.raises(Killed):
        train([dying(toy_task(), 4, 1)], "toy", track=ignore, keep=tmp_path)
    try:
        train([again], "toy", track=ignore, keep=tmp_path)
    except MedadError as error:
        refused = str(error)
    else:
        refused = None
    assert str(tmp_path) in refused if refused else same_weights(again.network, whole.network)


@pytest.mark.xfail(strict=True, raises=pickle.UnpicklingError, reason="a broken checkpoint is a bare torch error")
def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "toy.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(MedadError, match=r"toy\.pt"):
        train([toy_task()], "toy", track=ignore, keep=tmp_path)


# The whole of DDAD.


def ddad() -> Method:
    return small("ddad", "memae", size=16, epochs=EPOCHS, refine_epochs=4)


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[Method, Losses]:
    losses: Losses = {}
    return fit(ddad(), track=into(losses)), losses


@pytest.mark.parametrize(("task", "epoch"), [("ndm0", 3), ("udm1", 3), ("udm1", 6), ("r_intra", 2), ("r_dual", 4)])
def test_ddad_killed_and_continued(
    task: str, epoch: int, tmp_path: Path, at_every_epoch: None, uninterrupted: tuple[Method, Losses]
) -> None:
    def track(name: str, value: float, step: int) -> None:
        if (name, step) == (f"{task}/loss", epoch):
            raise Killed

    with pytest.raises(Killed):
        fit(ddad(), track=track, keep=tmp_path)
    losses: Losses = {}
    assert same_weights(fit(ddad(), track=into(losses), keep=tmp_path), uninterrupted[0])
    assert losses == uninterrupted[1]


def test_ddad_does_not_depend_on_the_number_of_workers(uninterrupted: tuple[Method, Losses]) -> None:
    torch.set_num_threads(1)
    losses: Losses = {}
    assert same_weights(fit(ddad(), track=into(losses)), uninterrupted[0])
    assert losses == uninterrupted[1]
    modules = {f"{module}{index}/loss" for module in ("ndm", "udm") for index in range(2)}
    expected = {(name, epoch) for name in modules for epoch in range(1, EPOCHS + 1)}
    expected |= {(f"{name}/loss", epoch) for name in ("r_intra", "r_dual") for epoch in range(1, 5)}
    assert set(losses) == expected


DIES = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(2)
import medad.training
from contracts.fakes import fit
from test_training import ddad

medad.training.SECONDS_BETWEEN_CHECKPOINTS = 0.0

def track(name, value, step):
    if (name, step) == ("udm0/loss", 3):
        os.kill(os.getpid(), signal.SIGKILL)

fit(ddad(), track=track, keep=Path(sys.argv[1]))
"""


def test_ddad_killed_by_the_system_and_continued(tmp_path: Path, uninterrupted: tuple[Method, Losses]) -> None:
    tests = Path(__file__).parent
    path = os.pathsep.join([str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = {file.name: torch.load(file, weights_only=True) for file in tmp_path.glob("*.pt")}
    assert len(left["udm0.pt"]["losses"]) == 2
    assert "r_dual.pt" not in left
    losses: Losses = {}
    assert same_weights(fit(ddad(), track=into(losses), keep=tmp_path), uninterrupted[0])
    assert losses == uninterrupted[1]
