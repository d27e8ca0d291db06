"""GANomaly: a discriminator that wins starts anew; a killed training goes on. tests/reference has losses and scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contracts.fakes import fit, same_weights, small
from contracts.toys import Killed, Losses, into

import medad.methods.ganomaly
import medad.training
from medad.methods.ganomaly import GANomaly
from medad.training import Opponent, adam

TINY = {"hidden": 32, "latent": 4}


@pytest.mark.parametrize("defeated", [1e-5, 1e9], ids=["as published", "anew in every epoch"])
def test_killed_and_continued_to_the_last_bit(defeated: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(medad.methods.ganomaly, "DEFEATED", defeated)

    def track(name: str, value: float, step: int) -> None:
        if (name, step) == ("generator/discriminator", 3):
            raise Killed

    with pytest.raises(Killed):
        fit(small("ganomaly", epochs=4), track=track, keep=tmp_path)
    expected: Losses = {}
    losses: Losses = {}
    whole = fit(small("ganomaly", epochs=4), track=into(expected))
    assert same_weights(fit(small("ganomaly", epochs=4), track=into(losses), keep=tmp_path), whole)
    assert losses == expected
    assert {name for name, _ in losses} == {"generator/loss", "generator/discriminator"}


def test_a_discriminator_that_makes_no_errors_starts_anew() -> None:
    method = small("ganomaly")
    assert isinstance(method, GANomaly)
    layers = method.players.discriminator
    opponent = Opponent("discriminator", lambda batch: batch.mean(), adam(layers, 1e-3))
    generator = torch.Generator().manual_seed(1)
    before = {name: value.clone() for name, value in method.players.state_dict().items()}
    for losses in ([], [1e-6, 1e-5], [0.5]):
        opponent.losses[:] = losses
        method._restart(opponent, generator)
        assert all(torch.equal(before[name], value) for name, value in method.players.state_dict().items())
    opponent.losses[:] = [0.5, 9e-6]
    method._restart(opponent, generator)
    assert 0.018 < layers[9].weight.std() < 0.022
    assert abs(float(layers[9].weight.mean())) < 0.001
    assert 0.01 < layers[10].weight.std() < 0.03
    assert 0.99 < layers[10].weight.mean() < 1.01
    after = method.players.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("generator"))
