"""PatchCore against brute force, and a bank whose size the model file decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import fake_load, fit, small, studies, training_set
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.spatial.distance import cdist

from medad.config import ConfigError
from medad.functional.imagenet import normalize_for_imagenet
from medad.methods.patchcore import PatchCore

TINY = {"candidates": 60, "coreset": 0.25, "projection": 16}


@pytest.fixture(scope="module")
def trained() -> PatchCore:
    method = small("patchcore")
    assert isinstance(method, PatchCore)
    fit(method)
    return method


def patches(method: PatchCore, images: torch.Tensor) -> np.ndarray:
    """(N, 4, 4, 384): stages 2 and 3 averaged over 3 x 3 with zeros around, the coarse one enlarged bilinearly."""
    with torch.no_grad():
        _, fine, coarse = method.backbone.network(normalize_for_imagenet(images))
    fine, coarse = (
        torch.from_numpy(uniform_filter(one.double().numpy(), (1, 1, 3, 3), mode="constant")) for one in (fine, coarse)
    )
    coarse = torch.nn.functional.interpolate(coarse, (4, 4), mode="bilinear")
    return torch.cat([fine, coarse], dim=1).permute(0, 2, 3, 1).numpy()


def test_maps_and_scores_are_those_of_brute_force(trained: PatchCore) -> None:
    test = fake_load(trained)(studies("test", 3))
    scored, bank = trained.score(test), trained.bank.double().numpy()
    assert bank.shape == (15, 384)  # a quarter of 60 candidates
    for index, features in enumerate(patches(trained, test)):
        apart = cdist(features.reshape(16, -1), bank)
        nearest = apart.min(axis=1)
        whole = torch.nn.functional.interpolate(torch.from_numpy(nearest).view(1, 1, 4, 4), (32, 32), mode="bilinear")
        expected = gaussian_filter(whole[0, 0].numpy(), 4.0)
        for one in scored.values():
            assert one.anomaly_map[index, 0].numpy() == pytest.approx(expected, rel=1e-3)
        farthest = nearest.argmax()
        closest = apart[farthest].argmin()
        around = np.argsort(cdist(bank[[closest]], bank)[0])[:9]
        weights = np.exp(apart[farthest][around])
        weight = 1 - np.exp(apart[farthest][closest]) / weights.sum()
        assert float(scored["max"].score[index]) == pytest.approx(nearest.max(), rel=1e-4)
        assert float(scored["weighted"].score[index]) == pytest.approx(weight * nearest.max(), rel=1e-3)


def test_the_bank_holds_features_of_training_images(trained: PatchCore) -> None:
    normal = patches(trained, fake_load(trained)(training_set().normal)).reshape(-1, 384)
    assert cdist(trained.bank.double().numpy(), normal).min(axis=1).max() < 1e-3
    assert len(np.unique(trained.bank.numpy(), axis=0)) == 15


def test_without_a_bound_all_patches_are_candidates() -> None:
    method = fit(small("patchcore", candidates=1000, coreset=1.0, projection=0))
    assert len(method.get_buffer("bank")) == 10 * 16
    stored = fake_load(method)(training_set().normal)
    assert method.score(stored)["max"].score.max() < 1e-2  # they are in the bank


def test_one_neighbor_means_no_weight(trained: PatchCore) -> None:
    plain = small("patchcore", neighbors=1)
    plain.load_state_dict(trained.state_dict())
    scored = plain.eval().score(fake_load(plain)(studies("test", 2)))
    assert torch.equal(scored["max"].score, scored["weighted"].score)


def test_the_file_decides_the_length_of_the_bank_within_the_settings(trained: PatchCore) -> None:
    fresh = small("patchcore")
    assert len(fresh.get_buffer("bank")) == 1
    for length in (1, 60):
        fresh.resize({"bank": (length, 384)})
        assert len(fresh.get_buffer("bank")) == length
    for length in (0, 61, 2**62):
        with pytest.raises(ValueError, match=rf"'bank' has {length} rows, and the settings allow 1 to 60"):
            fresh.resize({"bank": (length, 384)})
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.get_buffer("bank"), trained.bank)


def test_a_map_that_the_backbone_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match=r"scales=\[2, 4\]: resnet18 has 3 feature maps"):
        small("patchcore", scales=(4, 2))
