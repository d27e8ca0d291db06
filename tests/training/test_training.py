"""The optimization loop: what it visits, what it reports, what it refuses, and several tasks at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import pytest
import torch
from contracts.fakes import ignore, same_weights
from contracts.toys import Losses, counting, into, never, seeded, toy_images, toy_network, toy_task
from torch import Tensor, nn

from medad.training import Task, TrainingError, adam, spawn, train


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def numbered(seen: list[list[int]], count: int, batch_size: int, epochs: int, seed: int = 0) -> Task:
    """A task that notes which images are in each batch."""
    network = nn.Linear(1, 1)

    def loss(batch: Tensor) -> Tensor:
        seen.append(batch.flatten().int().tolist())
        return network(batch.flatten(1)).square().mean()

    images = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1)
    return Task("numbered", network, loss, images, adam(network, 1e-6), batch_size, epochs, seeded(seed))


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
    parents = [seeded(0), seeded(0), seeded(1)]
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


@pytest.mark.parametrize("failing", [0, 1])
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
    steps = counting(second)
    first.loss = partial(never)
    with pytest.raises(AssertionError, match="trained again"):
        train([first, second], "toy", track=ignore)
    assert len(steps) < 2000
