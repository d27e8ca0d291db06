"""Learning rates that decay: alone and together, from a checkpoint too; and checkpoints of other losses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contracts.fakes import ignore, same_weights
from contracts.toys import EPOCHS, Killed, dying, seeded, toy_images, toy_network, toy_task
from torch import Tensor

from medad.training import CosineDecay, Decay, Task, TrainingError, adamw, spawn, train

HALVED = Decay(0.5, 2)


def test_rates_by_hand() -> None:
    assert [Decay(0.95).after(epochs) for epochs in range(3)] == pytest.approx([1, 0.95, 0.9025])
    assert [Decay(0.1, 80).after(epochs) for epochs in (0, 79, 80, 99)] == pytest.approx([1, 1, 0.1, 0.1])
    assert [Decay().after(epochs) for epochs in (0, 1, 1000)] == [1, 1, 1]


def rates(task: Task) -> list[float]:
    """The rate of each step, as the optimizer takes it."""
    inner, seen = task.optimizer.step, []

    def step(*more: object) -> object:
        seen.append(task.optimizer.param_groups[0]["lr"])
        return inner(*more)

    task.optimizer.step = step  # type: ignore[method-assign, assignment]
    return seen


def test_the_rate_of_every_step() -> None:
    task = toy_task(decay=HALVED)
    seen = rates(task)
    train([task], "train", track=ignore)
    assert seen == pytest.approx([1e-2 * 0.5 ** (epoch // 2) for epoch in range(EPOCHS) for _ in range(len(task))])


def test_as_a_loop_with_pytorch_s_own_schedule() -> None:
    task, other = toy_task(decay=HALVED), toy_task()
    train([task], "train", track=ignore)
    schedule = torch.optim.lr_scheduler.StepLR(other.optimizer, 2, 0.5)
    other.network.train()
    for _ in range(EPOCHS):
        for chosen in other.order():
            other.optimizer.zero_grad()
            other.loss(other.images[chosen]).backward()
            other.optimizer.step()
        schedule.step()
    assert same_weights(task.network, other.network)


def test_together_as_alone() -> None:
    short = {"epochs": 3, "decay": Decay(0.25)}  # later, rounding in the gradient of a bias before its norm would show
    alone = [toy_task(str(seed), seed=seed, **short) for seed in (0, 1)]
    both = [toy_task(str(seed), seed=seed, kin="toys", images=toy_images(), **short) for seed in (0, 1)]
    both[1].images = both[0].images
    both[1].loss = both[0].loss
    train(alone, "train", track=ignore)
    train(both, "train", track=ignore, together=True)
    for one, other in zip(alone, both, strict=True):
        assert one.losses == pytest.approx(other.losses, rel=1e-3)
    undecayed = toy_task(epochs=3)
    train([undecayed], "train", track=ignore)
    assert undecayed.losses[2] != pytest.approx(alone[0].losses[2], rel=1e-2)


@pytest.mark.parametrize("epoch", [2, 3, 5])
def test_a_killed_training_goes_on_to_the_last_bit(epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medad.training.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = toy_task(decay=HALVED)
    train([whole], "train", track=ignore)
    with pytest.raises(Killed):
        train([dying(toy_task(decay=HALVED), epoch, 2)], "train", track=ignore, keep=tmp_path)
    resumed = toy_task(decay=HALVED)
    train([resumed], "train", track=ignore, keep=tmp_path)
    assert same_weights(whole.network, resumed.network)
    assert whole.losses == resumed.losses


def test_adamw_decays_weights_apart_from_the_gradient() -> None:
    """Without any gradient a step takes lr * weight_decay of each weight."""
    network = toy_network()
    before = [value.detach().clone() for value in network.parameters()]
    optimizer = adamw(network, 0.1, 0.5)
    for value in network.parameters():
        value.grad = torch.zeros_like(value)
    optimizer.step()
    assert optimizer.defaults["betas"] == (0.9, 0.999)
    for value, old in zip(network.parameters(), before, strict=True):
        torch.testing.assert_close(value.detach(), old * (1 - 0.1 * 0.5))


@pytest.mark.parametrize(
    ("other", "named"),
    [({"decay": Decay(0.9)}, "optimizer"), ({"also": {"gamma": 1.0}}, "gamma"), ({"also": {"new": 1}}, "new")],
    ids=str,
)
def test_a_checkpoint_of_another_training_is_refused(other: dict[str, object], named: str, tmp_path: Path) -> None:
    train([toy_task(also={"gamma": 2.0})], "train", track=ignore, keep=tmp_path)
    with pytest.raises(TrainingError, match=f"with other.*{named}"):
        train([toy_task(**{"also": {"gamma": 2.0}, **other})], "train", track=ignore, keep=tmp_path)


def test_more_epochs_go_on_from_fewer_at_the_rate_that_is_due(tmp_path: Path) -> None:
    train([toy_task(epochs=3, decay=HALVED)], "train", track=ignore, keep=tmp_path)
    longer, whole = toy_task(decay=HALVED), toy_task(decay=HALVED)
    train([longer], "train", track=ignore, keep=tmp_path)
    train([whole], "train", track=ignore)
    assert same_weights(longer.network, whole.network)


def unused(batch: Tensor) -> Tensor:
    return batch.sum()


def test_tasks_of_another_decay_do_not_share_their_steps() -> None:
    one, two = (
        Task(str(factor), toy_network(), unused, toy_images(), adamw(toy_network(), 1e-2), 4, 1, spawn(seeded(0)),
             kin="toys", decay=Decay(factor))
        for factor in (1.0, 0.5)
    )  # fmt: skip
    two.images = one.images
    from medad.training.grouping import crews

    assert [len(tasks) for tasks, _ in crews([one, two], True, ())] == [1, 1]


def test_a_cosine_as_pytorch_s_own_schedule() -> None:
    task = toy_task(decay=CosineDecay(EPOCHS, 0.01))
    seen = rates(task)
    train([task], "train", track=ignore)
    other = toy_task()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(other.optimizer, EPOCHS, 0.01 * 1e-2)
    expected = []
    for _ in range(EPOCHS):
        expected += schedule.get_last_lr() * len(task)
        other.optimizer.step()
        schedule.step()
    assert seen == pytest.approx(expected)


def test_epochs_of_a_number_of_batches() -> None:
    """As many passes as they need, of which the last may be cut off; every batch is complete."""
    task = toy_task(steps=9)
    assert len(task) == 9
    batches = task.order()
    assert [len(batch) for batch in batches] == [task.batch_size] * 9
    counts = torch.bincount(torch.cat(batches), minlength=len(task.images))
    assert int(counts.max() - counts.min()) <= 1
    assert int(counts.sum()) == 9 * task.batch_size
    few = toy_task(images=toy_images()[:3], steps=2)
    assert [len(batch) for batch in few.order()] == [few.batch_size] * 2
