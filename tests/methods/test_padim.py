"""PaDiM against Gaussians by NumPy, and its model folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import fake_load, fit, small, studies, training_set
from scipy.ndimage import gaussian_filter

from medad.functional.imagenet import normalize_for_imagenet
from medad.methods.padim import PaDiM
from medad.training import TrainingError
from medad.types import TrainingSet

TINY = {"dimensions": 6}


@pytest.fixture(scope="module")
def trained() -> PaDiM:
    method = small("padim")
    assert isinstance(method, PaDiM)
    fit(method)
    return method


def joined(method: PaDiM, images: torch.Tensor) -> np.ndarray:
    """The features of all maps on the grid of the first, (N, D, 8, 8), each coarse position repeated."""
    with torch.no_grad():
        maps = [one.double().numpy() for one in method.backbone.network(normalize_for_imagenet(images))]
    return np.concatenate([one.repeat(8 // one.shape[2], axis=2).repeat(8 // one.shape[3], axis=3) for one in maps], 1)


def test_maps_are_mahalanobis_distances(trained: PaDiM) -> None:
    load = fake_load(trained)
    chosen = trained.selected.numpy()
    normal = joined(trained, load(training_set().normal))[:, chosen]
    test = load(studies("test", 2))
    features = joined(trained, test)[:, chosen]
    distances = np.zeros((2, 8, 8))
    for row in range(8):
        for column in range(8):
            here = normal[:, :, row, column]
            covariance = np.cov(here, rowvar=False) + 0.01 * np.eye(6)
            offset = features[:, :, row, column] - here.mean(axis=0)
            distances[:, row, column] = np.sqrt((offset @ np.linalg.inv(covariance) * offset).sum(axis=1))
    whole = torch.nn.functional.interpolate(torch.from_numpy(distances)[:, None], (32, 32), mode="bilinear").numpy()
    scored = trained.score(test)["max"]
    for index in range(2):
        expected = gaussian_filter(whole[index, 0], 4.0)
        assert scored.anomaly_map[index, 0].numpy() == pytest.approx(expected, rel=1e-3)
        assert float(scored.score[index]) == pytest.approx(expected.max(), rel=1e-3)


def test_dimensions_are_drawn_from_the_seed(trained: PaDiM) -> None:
    assert len(trained.selected.unique()) == 6
    assert 0 <= trained.selected.min() < trained.selected.max() < 448  # 64 + 128 + 256
    other = small("padim")
    assert not torch.equal(fit(other, seed=1).get_buffer("selected"), trained.selected)
    assert len(small("padim", dimensions=2000, size=32).get_buffer("selected")) == 448


def test_the_archive_is_learned_from_if_asked() -> None:
    load = fake_load(small("padim"))
    for use_archive, count in ((False, 10), (True, 16)):
        method = small("padim", use_archive=use_archive)
        load.asked.clear()
        method.fit(training_set(), load, track=lambda *_: None, rng=torch.Generator())
        assert len(load.asked) == count
    with pytest.raises(TrainingError, match=r"there are none.*use_archive=false"):
        fit(small("padim", use_archive=True), data=TrainingSet(studies("normal", 4)))
    with pytest.raises(TrainingError, match="at least 2 images, got 1"):
        fit(small("padim"), data=TrainingSet(studies("normal", 1)))


@pytest.mark.parametrize("wild", [-1, 448])
def test_an_index_that_does_not_exist_is_refused(trained: PaDiM, wild: int) -> None:
    copy = small("padim")
    copy.load_state_dict({**trained.state_dict(), "selected": torch.tensor([0, 1, 2, 3, 4, wild])})
    with pytest.raises(ValueError, match="'selected' holds indices outside of 0 to 447"):
        copy.check_tensors()
    trained.check_tensors()
