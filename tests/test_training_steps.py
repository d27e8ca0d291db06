"""The incomplete last batch and the norm of the gradient: settings of a task, alone and together."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import torch
from contracts.fakes import ignore, same_weights
from contracts.toys import seeded, toy_images, toy_task
from torch import Tensor, nn
from torch.testing import assert_close

from medad.training import Task, TrainingError, adam, train
from medad.training.grouping import crews


def sizes_of(task: Task) -> list[int]:
    """How many images are in each batch that the task learns from, once it is trained."""
    inner, seen = task.loss, []

    def loss(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return inner(batch)

    task.loss = loss
    return seen


@pytest.mark.parametrize(
    ("images", "batches"), [(22, [4, 4, 4, 4, 4, 2]), (20, [4] * 5), (5, [4, 1]), (4, [4]), (3, [3])]
)
def test_a_last_batch_that_is_kept(images: int, batches: list[int]) -> None:
    network = nn.Linear(1, 1)
    task = Task(
        "toy", network, lambda batch: network(batch.flatten(1)).square().mean(),
        torch.rand(images, 1, 1, 1), adam(network, 1e-3), 4, 3, seeded(0), keep_last=True,
    )  # fmt: skip
    seen = sizes_of(task)
    assert len(task) == len(batches)
    train([task], "train", track=ignore)
    assert seen == batches * 3


def test_every_image_is_in_every_epoch() -> None:
    task = toy_task(keep_last=True)
    assert sorted(chain(*(batch.tolist() for batch in task.order()))) == list(range(len(toy_images())))


def test_the_order_is_the_same_with_and_without() -> None:
    kept, dropped = toy_task(keep_last=True).order(), toy_task().order()
    assert len(kept) == len(dropped) + 1
    assert all(torch.equal(one, other) for one, other in zip(kept, dropped, strict=False))


def test_together_as_alone() -> None:
    more = {"keep_last": True, "clip": 0.05, "epochs": 2}  # later, rounding would show
    alone = [toy_task(str(seed), seed=seed, **more) for seed in (0, 1)]
    both = [toy_task(str(seed), seed=seed, kin="toys", **more) for seed in (0, 1)]
    both[1].images, both[1].loss = both[0].images, both[0].loss
    train(alone, "train", track=ignore)
    train(both, "train", track=ignore, together=True)
    for one, other in zip(alone, both, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-3)


class Sum(nn.Module):
    """Two weights whose gradient is what each test says."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))


@pytest.mark.parametrize(("clip", "expected"), [(5.0, (3.0, 4.0)), (None, (6.0, 8.0)), (20.0, (6.0, 8.0))])
def test_a_gradient_by_hand(clip: float | None, expected: tuple[float, float]) -> None:
    """(6, 8) has the norm 10: halved for 5. Plain gradient descent at the rate 1 takes it off the weights."""
    network = Sum()
    task = Task(
        "sum", network, lambda batch: 6 * network.first.sum() + 8 * network.second.sum(), torch.zeros(4, 1, 1, 1),
        torch.optim.SGD(network.parameters(), lr=1.0), 4, 1, seeded(0), clip=clip,
    )  # fmt: skip
    train([task], "train", track=ignore)
    assert (-network.first.item(), -network.second.item()) == pytest.approx(expected, rel=1e-5)


def test_stacked_networks_are_clipped_one_by_one() -> None:
    """As PyTorch clips each of them."""
    from medad.training.stepping import Together

    tasks = [toy_task(str(seed), seed=seed) for seed in (0, 1)]
    batches = torch.stack([toy_images(4), 9 * toy_images(4)])  # the second has the longer gradient
    networks, optimizers = [one.network for one in tasks], [one.optimizer for one in tasks]
    stacked = Together(networks, tasks[0].loss, optimizers, torch.device("cpu"))
    stacked.losses(batches).sum().backward()
    stacked.clip(0.5)
    for place, (task, batch) in enumerate(zip(tasks, batches, strict=True)):
        task.loss(batch).backward()
        nn.utils.clip_grad_norm_(task.network.parameters(), 0.5)
        for name, value in task.network.named_parameters():
            gradient = stacked._weights[name].grad
            assert gradient is not None
            assert value.grad is not None
            assert_close(gradient[place], value.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ({}, {"clip": 1.0}, "clip"),
        ({"clip": 1.0}, {}, "clip"),
        ({"clip": 1.0}, {"clip": 2.0}, "clip"),
        ({}, {"keep_last": True}, "last batch"),
        ({"keep_last": True}, {}, "last batch"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_training_is_refused(
    before: dict[str, object], after: dict[str, object], named: str, tmp_path: Path
) -> None:
    train([toy_task(epochs=1, **before)], "train", track=ignore, keep=tmp_path)
    with pytest.raises(TrainingError, match=f"with other {named}"):
        train([toy_task(epochs=1, **after)], "train", track=ignore, keep=tmp_path)


def test_a_killed_training_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    more = {"keep_last": True, "clip": 0.1}
    whole = toy_task(**more)
    train([whole], "train", track=ignore)
    train([toy_task(epochs=3, **more)], "train", track=ignore, keep=tmp_path)
    resumed = toy_task(**more)
    train([resumed], "train", track=ignore, keep=tmp_path)
    assert same_weights(whole.network, resumed.network)


def test_what_a_checkpoint_of_ddad_says_is_what_it_said() -> None:
    """Trainings that were begun before these settings go on."""
    assert set(toy_task()._identity()) == {"seed", "batch size", "optimizer", "images"}


def test_tasks_of_other_settings_do_not_share_their_steps() -> None:
    tasks = [toy_task("a", kin="toys"), toy_task("b", kin="toys", clip=1.0), toy_task("c", kin="toys", keep_last=True)]
    tasks[1].images = tasks[2].images = tasks[0].images
    assert [len(group) for group, _ in crews(tasks, True, ())] == [1, 1, 1]
