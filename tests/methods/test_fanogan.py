"""f-AnoGAN: both stages, each of which may be killed. tests/reference has networks, losses and scores."""

from __future__ import annotations

from pathlib import Path

import pytest
from contracts.fakes import fit, same_weights, small
from contracts.toys import Killed, Losses, into

import medad.training
from medad.methods.base import Method

TINY = {"width": 4, "latent": 4, "critic_steps": 2, "encoder_epochs": 2}


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[Method, Losses]:
    losses: Losses = {}
    return fit(small("fanogan", epochs=3, encoder_epochs=3), track=into(losses)), losses


@pytest.mark.parametrize("stage", ["generator/critic", "encoder/loss"])
def test_killed_and_continued_to_the_last_bit(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: tuple[Method, Losses]
) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def track(name: str, value: float, step: int) -> None:
        if (name, step) == (stage, 2):
            raise Killed

    killed = small("fanogan", epochs=3, encoder_epochs=3)
    with pytest.raises(Killed):
        fit(killed, track=track, keep=tmp_path)
    assert all(value.requires_grad for value in killed.parameters())
    losses: Losses = {}
    again = fit(small("fanogan", epochs=3, encoder_epochs=3), track=into(losses), keep=tmp_path)
    assert same_weights(again, uninterrupted[0])
    assert losses == uninterrupted[1]


def test_the_encoder_leaves_the_gan_as_it_was(uninterrupted: tuple[Method, Losses]) -> None:
    """The encoder's epochs change nothing of generator and critic, batch statistics included."""
    shorter = fit(small("fanogan", epochs=3, encoder_epochs=1))
    assert same_weights(shorter.players, uninterrupted[0].players)
    assert not same_weights(shorter.encoder, uninterrupted[0].encoder)
    names = {name for name, _ in uninterrupted[1]}
    assert names == {"generator/loss", "generator/critic", "encoder/loss"}
