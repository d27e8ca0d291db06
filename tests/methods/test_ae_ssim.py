"""The SSIM autoencoder; tests/reference/test_reconstruction.py has another implementation."""

from __future__ import annotations

from contracts.fakes import fit, small

TINY = {"hidden": 32, "latent": 4}


def test_training_increases_the_similarity() -> None:
    losses: list[float] = []
    fit(small("ae_ssim", epochs=12, learning_rate=3e-3), track=lambda name, value, step: losses.append(value))
    assert 0 < losses[-1] < losses[0]
