"""Inner products of upsampled features against features that PyTorch has upsampled."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate, normalize
from torch.testing import assert_close

from medad.functional.collaboration import feature_discrepancy
from medad.functional.upsampling import upsampled_products


def features(*sides: int, images: int = 3, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    rng = Generator().manual_seed(0)
    expert = torch.randn(images, 5, *sides, generator=rng).to(dtype)
    return expert, (expert + 0.3 * torch.randn(images, 5, *sides, generator=rng).to(dtype)).requires_grad_()


SIDES = [(1, 1), (1, 3), (2, 2), (3, 5), (8, 8), (5, 1)]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (8, 8), (7, 9), (16, 16), (8, 1)], ids=str)
@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_discrepancy_and_gradient_as_by_upsampling(sides: tuple[int, int], size: tuple[int, int]) -> None:
    expert, apprentice = features(*sides)
    grown = [interpolate(one, size, mode="bilinear", align_corners=True) for one in (expert, apprentice)]
    expected = (normalize(grown[0], dim=1) - normalize(grown[1], dim=1)).square().sum(dim=1, keepdim=True)
    weights = torch.rand(expected.shape, generator=Generator().manual_seed(1), dtype=torch.float64)
    ours = feature_discrepancy(expert, apprentice, size)
    assert_close(ours, expected, rtol=1e-9, atol=1e-12)
    gradients = [torch.autograd.grad((weights * one).sum(), apprentice)[0] for one in (ours, expected)]
    assert_close(*gradients, rtol=1e-8, atol=1e-11)


def test_products() -> None:
    expert, apprentice = features(3, 4)
    grown = [interpolate(one, (9, 7), mode="bilinear", align_corners=True) for one in (expert, apprentice)]
    both, of_expert, of_apprentice = upsampled_products(expert, apprentice, (9, 7))
    assert_close(both, (grown[0] * grown[1]).sum(dim=1))
    assert_close(of_expert, grown[0].square().sum(dim=1))
    assert_close(of_apprentice, grown[1].square().sum(dim=1))


def test_small_discrepancies_are_as_exact_as_large_ones() -> None:
    """In single precision, 2 - 2 cosine would leave nothing of them."""
    expert, _ = features(4, 4, dtype=torch.float32)
    apprentice = 3 * (expert + 1e-3 * torch.randn(expert.shape, generator=Generator().manual_seed(5)))
    exact = feature_discrepancy(expert.double(), apprentice.double(), (8, 8))
    ours = feature_discrepancy(expert, apprentice, (8, 8))
    assert ours.dtype == torch.float32
    assert exact.max() < 1e-4
    assert_close(ours.double(), exact, rtol=1e-5, atol=0)


def test_vectors_without_a_length_give_no_nan() -> None:
    expert, apprentice = features(2, 2)
    expert = expert.clone()
    expert[0], apprentice.data[1] = 0, 0
    for size in (None, (4, 4)):
        d = feature_discrepancy(expert, apprentice, size)
        d.sum().backward()
        assert_close(d[:2], torch.ones_like(d[:2]))  # the other one has the length 1
        assert apprentice.grad is not None
        assert apprentice.grad.isfinite().all()


def test_the_batch_may_be_larger_than_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    expert, apprentice = features(4, 4, images=5)
    whole = feature_discrepancy(expert, apprentice, (8, 8))
    (gradient,) = torch.autograd.grad(whole.sum(), apprentice)
    monkeypatch.setattr("medad.functional.upsampling.IN_CACHE", 2 * 5 * 16)
    shared = feature_discrepancy(expert, apprentice, (8, 8))
    assert torch.equal(whole, shared)
    assert torch.equal(gradient, torch.autograd.grad(shared.sum(), apprentice)[0])
