"""Every score of DDAD against METHODS.md's formulas in numpy, from images to scores by another route."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from contracts.fakes import small
from reference.plain import NETWORKS, Weights, asr_net, score_maps
from torch import Generator, Tensor

from medad.methods.base import Method
from medad.registry import scores
from medad.types import Evidence, Reconstructions

SCORES = ("single", "rec", "intra", "inter", "r_intra", "r_dual")
TOLERANCE = 1e-5


def relative(found: Tensor | np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(np.asarray(found, dtype=np.float64) - expected).max() / np.abs(expected).max())


@cache
def method(network: str, channels: int, members: int) -> Method:
    """Untrained; each batch norm and each bias moved, so that no two networks and no two layers are alike."""
    ddad = small("ddad", network, channels=channels, members=members, scores=SCORES)
    rng = Generator().manual_seed(4)
    for name, value in ddad.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.copy_(torch.rand(value.shape, generator=rng) - 0.5)
        elif value.ndim == 1:
            value.copy_(torch.rand(value.shape, generator=rng) + 0.5)
        elif value.ndim > 1:
            value.copy_((torch.rand(value.shape, generator=rng) - 0.5) * 3 * value[0].numel() ** -0.5)
    return ddad.eval()


def part(ddad: Method, prefix: str) -> Weights:
    state = ddad.state_dict()
    return Weights({name: value for name, value in state.items() if name.startswith(prefix)})


@torch.no_grad()
def expected_maps(ddad: Method, network: str, images: Tensor, members: int) -> dict[str, np.ndarray]:
    made = {
        module: [NETWORKS[network](images, part(ddad, f"{module}.members.{index}.")) for index in range(members)]
        for module in ("ndm", "udm")
    }
    ndm, udm = ([one["mean"].numpy() for one in made[module]] for module in ("ndm", "udm"))
    noise = [one["log_variance"].numpy() for one in made["ndm"] if "log_variance" in one]
    maps = score_maps(images.numpy(), ndm, udm, noise or None)
    for name in ("r_intra", "r_dual"):
        refined = asr_net(torch.from_numpy(maps[name]).float(), part(ddad, f"refiners.{name}."))
        maps[name] = refined[:, 1:].double().numpy()
    return maps


@pytest.mark.parametrize("members", [2, 3])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network", NETWORKS)
def test_ddad_gives_the_scores_of_the_formulas(network: str, channels: int, members: int) -> None:
    ddad = method(network, channels, members)
    images = torch.rand(3, channels, 32, 32, generator=Generator().manual_seed(2)) * 2 - 1
    expected = expected_maps(ddad, network, images, members)
    scored = ddad.score(images)
    assert tuple(scored) == SCORES
    for name, one in scored.items():
        maps = expected[name]
        assert maps.shape[1] == (members if name == "single" else 1)
        assert relative(one.members, maps.mean((2, 3))) <= TOLERANCE, name
        assert relative(one.score, maps.mean((1, 2, 3))) <= TOLERANCE, name
        assert relative(one.anomaly_map, maps.mean(1, keepdims=True)) <= TOLERANCE, name


@pytest.mark.parametrize("predicts_noise", [False, True], ids=["plain", "noise"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("members", [2, 3, 5])
def test_maps_before_refinement(members: int, channels: int, predicts_noise: bool) -> None:
    rng = np.random.default_rng(members)
    images = rng.normal(size=(2, channels, 6, 6)).astype(np.float32)
    ndm, udm, logs = ([rng.normal(size=images.shape).astype(np.float32) for _ in range(members)] for _ in range(3))
    seen = Evidence(
        torch.from_numpy(images),
        Reconstructions(_stack(ndm), _stack(logs).exp() if predicts_noise else None),
        # What the UDM predicts of its own noise enters no score: it must be ignored.
        Reconstructions(_stack(udm), torch.full((members, *images.shape), 1e6) if predicts_noise else None),
    )
    expected = score_maps(images, ndm, udm, logs if predicts_noise else None)
    for name in SCORES:
        found = scores.get(name)(seen)
        assert found.shape == expected[name].shape, name
        assert relative(found, expected[name]) <= TOLERANCE, name


def _stack(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def test_scores_of_one_pixel_by_hand() -> None:
    """x = 1; NDM 0, 2, 4 (mean 2, deviations -2, 0, 2: std sqrt(8 / 2) = 2); UDM 3, 3, 9 (mean 5); variances 1, 4, 7
    (mean 4, root 2)."""

    def pixel(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1, 1, 1)

    images = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    plain = Evidence(images, Reconstructions(pixel(0, 2, 4)), Reconstructions(pixel(3, 3, 9)))
    noisy = Evidence(images, Reconstructions(pixel(0, 2, 4), pixel(1, 4, 7)), Reconstructions(pixel(3, 3, 9)))
    by_hand = {  # plain, and divided by the noise
        "rec": ([1.0], [1 / 4]),
        "intra": ([2.0], [2 / 2]),
        "inter": ([3.0], [3 / 2]),
        "single": ([1.0, 1.0, 9.0], [1 / 1, 1 / 4, 9 / 7]),
        "r_intra": ([2.0], [1.0]),
        "r_dual": ([3.0, 2.0], [1.5, 1.0]),  # inter first
    }
    for name, (without, divided) in by_hand.items():
        assert scores.get(name)(plain).flatten().tolist() == pytest.approx(without, rel=1e-6), name
        assert scores.get(name)(noisy).flatten().tolist() == pytest.approx(divided, rel=1e-6), name
