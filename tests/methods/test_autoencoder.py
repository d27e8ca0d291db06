"""The autoencoder, and what all methods on one reconstruction network do: archive, checkpoints, last batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from contracts.fakes import fake_load, fit, ignore, same_weights, small, studies, training_set
from contracts.toys import Killed
from torch import Generator

import medad.training
from medad.training import TrainingError
from medad.types import TrainingSet

TINY = {"hidden": 32, "latent": 4}


@pytest.mark.parametrize("name", ["vae", "dae"])
def test_killed_and_continued_to_the_last_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both draw numbers in each step: codes, noise."""
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def track(metric: str, value: float, step: int) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        fit(small(name, epochs=4), track=track, keep=tmp_path)
    assert same_weights(fit(small(name, epochs=4), keep=tmp_path), fit(small(name, epochs=4)))


def test_another_weight_of_the_loss_is_another_training(tmp_path: Path) -> None:
    fit(small("vae"), keep=tmp_path)
    with pytest.raises(TrainingError, match="with other divergence_weight"):
        fit(small("vae", divergence_weight=0.1), keep=tmp_path)


@pytest.mark.parametrize(("use_archive", "count"), [(False, 10), (True, 16)])
def test_the_archive_is_learned_from_if_asked(use_archive: bool, count: int) -> None:
    method = small("autoencoder", use_archive=use_archive)
    load = fake_load(method)
    method.fit(training_set(), load, track=ignore, rng=Generator().manual_seed(0))
    assert len(load.asked) == count
    if use_archive:
        with pytest.raises(TrainingError, match=r"there are none.*use_archive=false"):
            fit(method, data=TrainingSet(studies("normal", 10)))


@pytest.mark.parametrize(("images", "steps"), [(9, 2), (10, 3), (8, 2)])
def test_an_incomplete_last_batch_counts_unless_it_is_one_image(images: int, steps: int) -> None:
    method, seen = small("autoencoder", epochs=1), []
    inner = method.loss

    def loss(generator: Generator, batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return inner(generator, batch)

    method.loss = loss
    fit(method, data=training_set(normal=images))
    assert len(seen) == steps
    assert min(seen) > 1
    with pytest.raises(TrainingError, match="do not fill one batch"):
        fit(small("autoencoder"), data=training_set(normal=1))
