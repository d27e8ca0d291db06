"""What every score keeps to."""

from __future__ import annotations

import pytest
import torch
from torch import Generator
from torch.testing import assert_close

from medad.registry import scores
from medad.types import Evidence, Reconstructions

NAMES = scores.names()
MEMBERS = 3


def evidence(channels: int, predicts_noise: bool, batch: int = 4) -> Evidence:
    rng = Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, batch, channels, 8, 8, generator=rng)

    def module() -> Reconstructions:
        return Reconstructions(draw(MEMBERS), draw(MEMBERS).exp() if predicts_noise else None)

    return Evidence(draw(), module(), module())


def only(seen: Evidence, index: int) -> Evidence:
    """The evidence on one image of the batch."""

    def cut(made: Reconstructions) -> Reconstructions:
        one = slice(index, index + 1)
        return Reconstructions(made.mean[:, one], None if made.variance is None else made.variance[:, one])

    assert seen.udm is not None
    return Evidence(seen.images[index : index + 1], cut(seen.ndm), cut(seen.udm))


@pytest.mark.parametrize("predicts_noise", [False, True], ids=["plain", "noise"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_maps(name: str, channels: int, predicts_noise: bool) -> None:
    seen = evidence(channels, predicts_noise)
    maps = scores.get(name)(seen)
    assert maps.ndim == 4
    assert (maps.shape[0], *maps.shape[2:]) == (4, 8, 8)
    assert maps.isfinite().all()
    assert (maps >= 0).all()
    assert maps.std() > 0
    assert_close(maps[1:2], scores.get(name)(only(seen, 1)))


@pytest.mark.parametrize("name", NAMES)
def test_perfect_and_unanimous_reconstructions_score_zero(name: str) -> None:
    images = torch.rand(2, 1, 8, 8, generator=Generator().manual_seed(1))
    exact = Reconstructions(images.expand(MEMBERS, -1, -1, -1, -1))
    assert_close(scores.get(name)(Evidence(images, exact, exact)).abs().max(), torch.tensor(0.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_needing_the_udm_is_declared(name: str) -> None:
    seen = evidence(1, False)
    alone = Evidence(seen.images, seen.ndm)
    if scores.get(name).needs_udm:
        with pytest.raises(ValueError, match="no UDM"):
            scores.get(name)(alone)
    else:
        assert torch.equal(scores.get(name)(alone), scores.get(name)(seen))


@pytest.mark.parametrize("name", NAMES)
def test_has_a_title_and_refines_scores(name: str) -> None:
    found = scores.get(name)
    assert found.title.strip()
    assert set(found.refines) <= set(NAMES)
    if found.refines:
        assert found(evidence(1, False)).shape[1] == len(found.refines)
    assert sum(scores.get(other).title == found.title for other in NAMES) == 1
