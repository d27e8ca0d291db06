"""CutPaste: its classes, its densities by scikit-learn, and that a killed training resumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.fakes import fake_load, fit, same_weights, small, studies, training_set
from contracts.toys import Killed
from reference import plain_resnet as plain
from reference.plain import Weights
from sklearn.covariance import LedoitWolf
from torch import Generator

import medad.training
from medad.methods.base import Method
from medad.training import TrainingError
from medad.types import TrainingSet

TINY = {"width": 4, "steps": 2}


@pytest.fixture(scope="module")
def trained() -> Method:
    return fit(small("cutpaste", size=64))


def features(method: Method, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Of length 1: means of the last stage (N, 32), and the third stage (N, 4, 4, 16)."""
    weights = Weights({key: value.clone() for key, value in method.network.state_dict().items()})
    with torch.no_grad():
        stages = [stage.double().numpy() for stage in plain.resnet(images, 4, weights)]
    whole, positions = stages[-1].mean(axis=(2, 3)), stages[2].transpose(0, 2, 3, 1)
    return tuple(one / np.sqrt((one**2).sum(axis=-1, keepdims=True)) for one in (whole, positions))


def test_scores_and_maps_are_distances_from_the_training_images(trained: Method) -> None:
    load = fake_load(trained)
    whole, positions = features(trained, load(training_set().normal))
    test = load(studies("test", 3))
    test_whole, test_positions = features(trained, test)
    scored = trained.score(test)["density"]
    expected = np.sqrt(LedoitWolf().fit(whole).mahalanobis(test_whole))
    assert scored.score.numpy() == pytest.approx(expected, rel=1e-2)
    distances = np.sqrt(LedoitWolf().fit(positions.reshape(-1, 16)).mahalanobis(test_positions.reshape(-1, 16)))
    maps = torch.from_numpy(distances.reshape(3, 1, 4, 4))
    maps = torch.nn.functional.interpolate(maps, (64, 64), mode="bilinear", align_corners=False)
    assert scored.anomaly_map.numpy() == pytest.approx(maps.numpy(), rel=1e-2)


def test_the_three_classes() -> None:
    method = small("cutpaste", jitter=0.0)
    images = fake_load(method)(studies("normal", 4))
    made, classes = method.synthesize(images, Generator().manual_seed(1))
    assert classes.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    torch.testing.assert_close(made[:4], images)
    changed = [(made[part : part + 4] - images).abs().amax(dim=1).gt(1e-5).double().mean(dim=(1, 2)) for part in (4, 8)]
    assert float(changed[0].min()) > 0.01
    assert float(changed[0].max()) < 0.17
    assert float(changed[1].max()) < 0.02
    assert not torch.equal(small("cutpaste").synthesize(images, Generator().manual_seed(1))[0][:4], images)


def test_an_epoch_has_its_number_of_batches_and_the_rate_falls_to_zero() -> None:
    method = small("cutpaste", steps=7, epochs=10)
    assert method.steps == 7
    assert [method.decay().after(epoch) for epoch in (0, 5, 10)] == pytest.approx([1, 0.5, 0], abs=1e-12)
    group = method.optimizer().param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.03, 0.9, 3e-5)


def test_killed_and_continued_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medad.training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def track(name: str, value: float, step: int) -> None:
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(small("cutpaste", epochs=3), track=track, keep=tmp_path)
    assert same_weights(fit(small("cutpaste", epochs=3), keep=tmp_path), fit(small("cutpaste", epochs=3)))


def test_one_image_has_no_density() -> None:
    with pytest.raises(TrainingError, match="at least 2 images, got 1: give more studies"):
        fit(small("cutpaste"), data=TrainingSet(studies("normal", 1)))
