"""Tasks with opponents: who steps when, on what, and how a killed one goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contracts.fakes import same_weights
from contracts.toys import Killed, Losses, into, seeded, toy_images
from torch import Tensor, nn

import medad.training
from medad.training import Decay, Opponent, Task, TrainingError, adam, spawn, train


class Players(nn.Module):
    """A number that wants to be far from another one, which wants to be near."""

    def __init__(self) -> None:
        super().__init__()
        self.chased, self.chasing = nn.Linear(1, 1), nn.Linear(1, 1)
        for part, value in ((self.chased, 1.0), (self.chasing, 0.0)):
            nn.init.constant_(part.weight, value)
            nn.init.constant_(part.bias, 0.0)


def adversarial(order: list[str] | None = None, epochs: int = 3, rate: float = 1e-2, **more: object) -> Task:
    players, generator = Players(), spawn(seeded(3))
    calls = [] if order is None else order

    def distance() -> Tensor:
        jitter = torch.rand((), generator=generator)
        return (players.chased.weight - players.chasing.weight).square().sum() + 0 * jitter

    def flee(batch: Tensor) -> Tensor:
        calls.append("flees")
        return -distance()

    def follow(batch: Tensor) -> Tensor:
        calls.append("follows")
        return distance()

    opponent = Opponent("follower", follow, adam(players.chasing, rate, betas=(0.0, 0.9)))
    given = {"every": 1, **more}
    return Task(
        "chase", players, flee, toy_images(12), adam(players.chased, 1e-3), 4, epochs, generator,
        opponents=[opponent], **given,
    )  # fmt: skip


def trained(task: Task, **more: object) -> nn.Module:
    train([task], "chase", track=lambda *_: None, **more)  # type: ignore[arg-type]
    return task.network


@pytest.mark.parametrize(("every", "flights"), [(1, 3), (2, 2), (3, 1), (5, 1)])
def test_the_opponent_steps_first_and_the_task_in_every_few_batches(every: int, flights: int) -> None:
    order: list[str] = []
    trained(adversarial(order, epochs=1, every=every))
    expected = [step for place in range(3) for step in ("follows", *(["flees"] if place % every == 0 else []))]
    assert order == expected
    assert order.count("flees") == flights


def test_each_optimizer_moves_its_own_parameters() -> None:
    """Adam's first steps are as long as the rate: three of 1e-3 and three of 1e-2, in one epoch."""
    players = trained(adversarial(epochs=1))
    assert players.chased.weight.item() == pytest.approx(1.003, abs=2e-4)
    assert 0.015 < players.chasing.weight.item() <= 0.0301
    assert players.chased.bias.item() == players.chasing.bias.item() == 0


def test_both_losses_are_reported_and_the_rate_of_both_decays() -> None:
    losses: Losses = {}
    task = adversarial(decay=Decay(0.5, 1))
    train([task], "chase", track=into(losses))
    assert set(losses) == {(f"chase/{name}", epoch) for name in ("loss", "follower") for epoch in (1, 2, 3)}
    assert losses["chase/follower", 1] == pytest.approx(-losses["chase/loss", 1], rel=0.1)
    assert task.optimizer.param_groups[0]["lr"] == 1e-3 / 4
    assert task.opponents[0].optimizer.param_groups[0]["lr"] == 1e-2 / 4


@pytest.mark.parametrize("killed", ["chase/loss", "chase/follower"])
def test_killed_and_continued_to_the_last_bit(killed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    expected: Losses = {}
    whole = adversarial(every=2)
    train([whole], "chase", track=into(expected))

    def track(name: str, value: float, step: int) -> None:
        if (name, step) == (killed, 2):
            raise Killed

    with pytest.raises(Killed):
        train([adversarial(every=2)], "chase", track=track, keep=tmp_path)
    losses: Losses = {}
    again = adversarial(every=2)
    train([again], "chase", track=into(losses), keep=tmp_path)
    assert same_weights(again.network, whole.network)
    assert losses == expected


@pytest.mark.parametrize(("more", "what"), [({"every": 3}, "every"), ({"rate": 0.5}, "optimizer of follower")])
def test_a_checkpoint_with_another_opponent_is_refused(more: dict[str, float], what: str, tmp_path: Path) -> None:
    trained(adversarial(every=2), keep=tmp_path)
    with pytest.raises(TrainingError, match=f"with other {what}"):
        trained(adversarial(**{"every": 2, **more}), keep=tmp_path)  # type: ignore[arg-type]


def test_an_opponent_whose_loss_is_not_finite_is_named() -> None:
    task = adversarial()
    task.opponents[0].loss = lambda batch: task.network.chasing.weight.sum() * float("nan")
    with pytest.raises(TrainingError, match="chase: the loss of follower became nan in epoch 1"):
        trained(task)


def test_what_precedes_an_epoch_sees_the_losses_before() -> None:
    seen: list[int] = []
    task = adversarial()
    task.prepare = lambda: seen.append(len(task.opponents[0].losses))
    trained(task)
    assert seen == [0, 1, 2]
