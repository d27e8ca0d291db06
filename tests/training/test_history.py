"""Whether a loss still fell at the end, from the losses that training reports."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import fit, small

from medad.training.history import LossHistory, late_fall


def test_the_last_tenth_is_held_against_the_tenth_before() -> None:
    losses = [9.0] * 16 + [2.0, 2.0] + [1.5, 1.5]
    assert late_fall(losses) == pytest.approx(0.25)
    assert late_fall([2.0, 1.0]) == pytest.approx(0.5)
    assert late_fall([1.0, 1.0, 1.0]) == 0
    assert late_fall([1.0, 2.0]) < 0


def test_a_single_epoch_has_nothing_to_be_held_against() -> None:
    assert late_fall([0.3]) == 1


def test_a_loss_that_passes_through_zero_is_measured_by_its_range() -> None:
    losses = list(np.linspace(1.0, -1.0, 20))  # as AEU's log-likelihood may
    assert 0 < late_fall(losses) <= 1.1
    assert late_fall([5.0, 0.001, -0.001]) < 0.05


def test_training_curves_of_few_epochs_fall_and_of_many_do_not() -> None:
    curve = [0.03 + 0.9 * 0.75**epoch for epoch in range(60)]
    assert late_fall(curve[:5]) > 0.05
    assert late_fall(curve[:8]) > 0.05
    assert late_fall(curve) < 0.05


def test_every_network_of_a_training_is_heard_and_passed_on() -> None:
    heard: list[str] = []
    history = LossHistory(lambda name, value, step: heard.append(name))
    fit(small("ddad", epochs=3), track=history)
    falls = history.falls()
    assert set(falls) == {"ndm0", "ndm1", "udm0", "udm1", "r_intra", "r_dual"}
    assert falls["r_dual"] == 1, "one epoch"
    assert heard.count("ndm0/loss") == 3
    assert torch.isfinite(torch.tensor(list(falls.values()))).all()
