"""The time that a training will take is said before it starts, and saying so changes nothing."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Generator, nn

from medad.training import Task, adam, train
from medad.training.estimate import announce, duration


def task(epochs: int, name: str = "net") -> Task:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1))
    images = torch.rand(64, 1, 8, 8, generator=Generator().manual_seed(1))

    generator = Generator().manual_seed(2)

    def loss(batch: torch.Tensor) -> torch.Tensor:
        noise = torch.rand(batch.shape, generator=generator)
        return (network(batch + noise) - batch).square().mean()

    return Task(name, network, loss, images, adam(network, 1e-3), 8, epochs, generator)


def test_a_long_training_is_announced_and_a_short_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="medad.training.estimate")
    announce([task(10)], 1, "train the networks")
    assert not caplog.text
    announce([task(100_000)], 1, "train the networks")
    assert "train the networks: about" in caplog.text
    assert "on this machine" in caplog.text


def test_two_at_a_time_take_half_as_long(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="medad.training.estimate")
    monkeypatch.setattr("medad.training.estimate._seconds_per_step", lambda task: 0.9)
    tasks = [task(1000, "a"), task(1000, "b")]  # 8 steps in an epoch: 2 x 8,000 x 0.9 s
    announce(tasks, 1, "one at a time")
    announce(tasks, 2, "two at a time")
    tasks[0].losses[:] = tasks[1].losses[:] = [1.0] * 500
    announce(tasks, 2, "the second half")
    assert "one at a time: about 4.0 h" in caplog.text
    assert "two at a time: about 2.0 h" in caplog.text
    assert "the second half: about 60 min" in caplog.text


def test_the_training_is_that_without_an_announcement(monkeypatch: pytest.MonkeyPatch) -> None:
    announced, silent = task(70), task(70)
    for each, least in ((announced, 1), (silent, 10**9)):
        monkeypatch.setattr("medad.training.estimate.LEAST_STEPS", least)
        train([each], "train", track=lambda name, value, step: None)
    assert announced.losses == silent.losses
    weights = [each.network.state_dict() for each in (announced, silent)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize(("seconds", "words"), [(12, "12 s"), (600, "10 min"), (12_240, "3.4 h")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words
