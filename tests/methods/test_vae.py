"""The variational autoencoder; tests/reference/test_reconstruction.py compares it with another implementation."""

from __future__ import annotations

import torch
from contracts.fakes import fake_load, fit, small, studies

TINY = {"hidden": 32, "latent": 4}


def test_a_large_weight_draws_the_codes_to_the_standard_normal() -> None:
    images = fake_load(small("vae"))(studies("normal", 10))
    divergences = []
    for weight in (0.0, 100.0):
        method = fit(small("vae", divergence_weight=weight, epochs=8, learning_rate=1e-2))
        with torch.no_grad():
            mean, log_variance = method.network.encode(images)
        divergences.append(float((mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2))
    assert divergences[1] < divergences[0] / 4
