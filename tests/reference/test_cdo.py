"""CDO's loss, maps and scores against arithmetic done pixel by pixel."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from contracts.fakes import fit, small
from reference import plain_cdo
from torch import Generator, Tensor
from torch.nn.functional import adaptive_max_pool2d

from medad.functional.synthesis import white_noise
from medad.methods.cdo import CDO


@pytest.fixture(scope="module")
def method() -> CDO:
    made = small("cdo", channels=3, sigma=1.5, top_share=0.02)
    assert isinstance(made, CDO)
    fit(made)
    return made


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 32, 32, generator=Generator().manual_seed(3)) * 2 - 1


def features(method: CDO, batch: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of expert and apprentice, from images normalized here."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = (((batch + 1) / 2).movedim(1, -1) - mean) / std
    with torch.no_grad():
        both = [network(seen.movedim(-1, 1)) for network in (method.pair.expert, method.pair.apprentice)]
    return [one.numpy() for one in both[0]], [one.numpy() for one in both[1]]


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("most", [4, 0])
def test_training_loss(method: CDO, gamma: float, most: int) -> None:
    told = small("cdo", channels=3, gamma=gamma, rectangles=most, noise_grain=1)
    assert isinstance(told, CDO)
    told.load_state_dict(method.state_dict())
    told.eval()
    loss = partial(told._loss, Generator().manual_seed(8))
    noisy, masks = white_noise(images(), Generator().manual_seed(8), most)
    assert bool(masks.any()) == bool(most)
    expert, apprentice = features(told, noisy)
    scales = [plain_cdo.discrepancy(*pair) for pair in zip(expert, apprentice, strict=True)]
    marked = adaptive_max_pool2d(masks, 8)[:, 0].numpy() > 0
    with torch.no_grad():
        assert loss(images()).item() == pytest.approx(plain_cdo.loss(scales, marked, gamma), rel=1e-4)


def test_maps_and_scores(method: CDO) -> None:
    scored = method.score(images())
    expert, apprentice = features(method, images())
    for index in range(3):
        known, learned = ([scale[index] for scale in network] for network in (expert, apprentice))
        expected = plain_cdo.anomaly_map(known, learned, 32, 1.5)
        for one in scored.values():
            np.testing.assert_allclose(one.anomaly_map[index, 0], expected, rtol=1e-4, atol=1e-6)
        assert scored["max"].score[index].item() == pytest.approx(expected.max(), rel=1e-4)
        assert scored["top"].score[index].item() == pytest.approx(plain_cdo.top_score(expected, 0.02), rel=1e-4)
