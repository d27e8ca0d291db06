"""CDO against the second implementation: loss, gradients of every scale, maps, scores and noise of both releases."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.fakes import fit, small
from helpers.given_features import cdo_with
from reference import plain_cdo
from torch import Generator, Tensor

import medad.methods.cdo
from medad.functional.synthesis import white_noise
from medad.methods.cdo import CDO

TOLERANCE = 1e-5
SHAPES = ((3, 6, 6), (2, 3, 3), (4, 2, 2))  # of the scales
RELEASES = {
    2023: {"noise_grain": 1, "maps": "features"},
    2025: {"noise_grain": 4, "maps": "cosine"},
}
releases = pytest.mark.parametrize("release", RELEASES)


def relative(ours: Tensor | np.ndarray, expected: np.ndarray | float) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(np.asarray(ours, dtype=np.float64) - expected).max() / np.abs(expected).max())


def drawn_features(seed: int) -> list[Tensor]:
    rng = Generator().manual_seed(seed)
    return [torch.randn(2, *shape, generator=rng, dtype=torch.float64) for shape in SHAPES]


def nearly(features: list[Tensor], share: float) -> list[Tensor]:
    """Features in almost the same direction, of another length, as a trained apprentice has them."""
    rng = Generator().manual_seed(4)
    return [(one + share * torch.randn(one.shape, generator=rng, dtype=one.dtype)) * 1.7 for one in features]


def images(count: int = 2, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=Generator().manual_seed(3)) * 2 - 1


def arrays(tensors: list[Tensor]) -> list[np.ndarray]:
    return [one.detach().double().numpy() for one in tensors]


@pytest.mark.parametrize("share", [1.0, 0.2], ids=["untrained", "trained"])
@pytest.mark.parametrize(("most", "gamma"), [(4, 2.0), (4, 0.0), (0, 2.0)], ids=str)
@releases
def test_loss_and_the_gradients_of_every_scale(release: int, most: int, gamma: float, share: float) -> None:
    expert = drawn_features(0)
    apprentice = nearly(expert, share)
    _, masks = white_noise(images(), Generator().manual_seed(8), most, RELEASES[release]["noise_grain"])
    assert bool(masks.any()) == bool(most)
    for dtype in (torch.float64, torch.float32):
        known, learned = ([one.to(dtype, copy=True) for one in network] for network in (expert, apprentice))
        for one in learned:
            one.requires_grad_()
        method = cdo_with(known, learned, gamma=gamma, rectangles=most, **RELEASES[release])
        loss = method._loss(Generator().manual_seed(8), images())
        loss.backward()
        given = arrays(known), arrays(learned), masks[:, 0].numpy(), gamma
        assert relative(loss.detach(), plain_cdo.loss(*given)) < TOLERANCE
        if dtype == torch.float64:
            expected = plain_cdo.gradients(*given)
        for ours, plain in zip(learned, expected, strict=True):
            assert relative(ours.grad, plain) < TOLERANCE


@pytest.fixture(scope="module")
def method() -> CDO:
    """Trained for two epochs."""
    made = small("cdo", channels=3)
    assert isinstance(made, CDO)
    fit(made)
    return made


def features(method: CDO, batch: Tensor) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of expert and apprentice, from images normalized here."""
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = ((((batch + 1) / 2).movedim(1, -1) - mean) / std).movedim(-1, 1)
    with torch.no_grad():
        return arrays(method.pair.expert(seen)), arrays(method.pair.apprentice(seen))


@releases
def test_loss_of_real_networks(method: CDO, release: int) -> None:
    told = small("cdo", channels=3, **RELEASES[release])
    assert isinstance(told, CDO)
    told.load_state_dict(method.state_dict())
    told.eval()
    noisy, masks = white_noise(images(), Generator().manual_seed(8), 4, RELEASES[release]["noise_grain"])
    with torch.no_grad():
        loss = told._loss(Generator().manual_seed(8), images())
    assert relative(loss, plain_cdo.loss(*features(told, noisy), masks[:, 0].numpy(), 2.0)) < TOLERANCE


@releases
def test_maps_and_image_scores(method: CDO, release: int) -> None:
    told = small("cdo", channels=3, sigma=4.0, top_share=0.01, **RELEASES[release])
    told.load_state_dict(method.state_dict())
    told.eval()
    scored = told.score(images())
    expert, apprentice = features(method, images())
    plain = plain_cdo.map_2023 if release == 2023 else plain_cdo.map_2025
    for index in range(2):
        known, learned = ([scale[index] for scale in network] for network in (expert, apprentice))
        expected = plain(known, learned, 32, 4.0)
        for one in scored.values():
            assert np.abs(one.anomaly_map[index, 0].numpy() / expected - 1).max() < TOLERANCE
        assert relative(scored["max"].score[index], expected.max()) < TOLERANCE
        assert relative(scored["top"].score[index], plain_cdo.top_score(expected, 0.01)) < TOLERANCE


@pytest.mark.parametrize("grain", [1, 4])
def test_noise_on_an_image(grain: int) -> None:
    """The same draws, put there by the second implementation."""
    made, masks = white_noise(images(6), Generator().manual_seed(5), 4, grain)
    rng = Generator().manual_seed(5)

    def draw(*given: int) -> int:
        return int(torch.randint(*given, (), generator=rng))

    side = 32 * grain
    for image, ours, mask in zip(images(6), made, masks, strict=True):
        rectangles = []
        for _ in range(draw(5)):
            halves = torch.randint(max(side // 40, 1), side // 10, (2,), generator=rng).tolist()
            row, column = (draw(half, side - half) for half in halves)
            values = torch.rand(3, 2 * halves[0], 2 * halves[1], generator=rng).double().numpy() * 2 - 1
            places = slice(row - halves[0], row + halves[0]), slice(column - halves[1], column + halves[1])
            rectangles.append((*places, values))
        expected, marked = plain_cdo.with_noise(image.double().numpy(), rectangles, grain)
        assert relative(ours, expected) < TOLERANCE
        assert np.array_equal(mask[0].numpy() != 0, marked)


@pytest.mark.parametrize("grain", [1, 4])
def test_contrast_of_the_noise(grain: int) -> None:
    """In units of the image's range: 1 / sqrt(12) = 0.289 as it is drawn, 0.047 resized from four times the size."""
    weights = plain_cdo.shrinking(16 * grain, 16)[8] if grain > 1 else np.ones(1)
    expected = 12**-0.5 * np.sum(weights**2)  # independent pixels, both axes
    assert expected == pytest.approx(0.289 if grain == 1 else 0.047, abs=6e-4)
    made, masks = white_noise(torch.full((80, 3, 128, 128), 9.0), Generator().manual_seed(0), 1, grain)
    inner = torch.nn.functional.avg_pool2d(masks, 5, 1, 2) == 1  # away from the rim
    noise = made[inner.expand_as(made)]
    assert noise.std().item() / 2 == pytest.approx(expected, rel=0.02)


def test_the_pipelines_are_the_two_releases() -> None:
    from medad.pipeline_files import read_pipeline

    for name, release in (("cdo", 2023), ("cdo_2025", 2025)):
        settings = read_pipeline(name).settings
        assert {key: settings[key] for key in RELEASES[release]} == RELEASES[release]
    assert medad.methods.cdo.CDOSettings().maps == "features"
