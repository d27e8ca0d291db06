"""FPI: what is put on an image and how it is labelled; tests/reference has network, loss and map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.fakes import fit, same_weights, small
from contracts.toys import Killed
from torch import Generator

import medad.training

TINY = {"width": 8, "background": None}


def test_labels_are_the_factor_by_which_pixels_moved_toward_another_image() -> None:
    """White and black images by turns: a changed pixel of an image says the factor, and where it came from."""
    method = small("fpi", patches=1)
    images = torch.ones(6, 1, 40, 40)
    images[1::2] = -1
    factors = []
    for seed in range(60):
        made, labels = method.synthesize(images, Generator().manual_seed(seed))
        for before, after, label in zip(images, made, labels, strict=True):
            factor = label.max()
            assert set(label.unique().tolist()) <= {0.0, float(factor)}
            inside = label > 0
            assert ((before - after).abs()[inside] / 2).numpy() == pytest.approx(float(factor), abs=1e-5)
            factors.append(float(factor))
    factors = np.array([factor for factor in factors if factor])
    assert len(factors) > 350  # patches of a few pixels have no label, as the median takes it
    assert 0.05 <= factors.min() < 0.1
    assert 0.9 < factors.max() <= 0.95
    assert factors.mean() == pytest.approx(0.5, abs=0.05)
    assert factors.std() == pytest.approx(0.9 / 12**0.5, abs=0.03)


def test_images_of_background_alone_have_no_patches() -> None:
    method = small("fpi", background=20)
    images = torch.full((2, 1, 40, 40), -1.0)
    made, labels = method.synthesize(images, Generator())
    assert torch.equal(made, images)
    assert not labels.any()


def test_killed_and_continued_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def track(name: str, value: float, step: int) -> None:
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(small("fpi", epochs=3), track=track, keep=tmp_path)
    assert same_weights(fit(small("fpi", epochs=3), keep=tmp_path), fit(small("fpi", epochs=3)))


def test_the_learning_rate_falls_to_the_least() -> None:
    decay = small("fpi", epochs=10, learning_rate=1e-3, least_learning_rate=1e-6).decay()
    assert [1e-3 * decay.after(epoch) for epoch in (0, 5, 10)] == pytest.approx([1e-3, (1e-3 + 1e-6) / 2, 1e-6])
