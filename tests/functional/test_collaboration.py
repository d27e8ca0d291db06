"""CDO's loss and weights against cases computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from medad.functional.collaboration import collaborative_loss, feature_discrepancy, overlap_weights


def maps(*rows: list[float]) -> Tensor:
    """One image for each row: (B, 1, 1, w)."""
    return torch.tensor(rows)[:, None, None, :]


# Two images of two positions; the second position of the second image is synthetic, unless it says otherwise.
D = maps([1.0, 3.0], [2.0, 0.5])
ONE = maps([0.0, 0.0], [0.0, 1.0])
TWO = maps([0.0, 1.0], [0.0, 1.0])


def test_discrepancy_of_directions() -> None:
    """Equal directions 0, a right angle 2, opposite ones 4; lengths do not count."""
    expert = torch.tensor([[3.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 0.0]]).T[None, :, None, :]
    apprentice = torch.tensor([[7.0, 0.0], [5.0, 0.0], [-2.0, -2.0], [1.0, 1.0]]).T[None, :, None, :]
    expected = torch.tensor([0.0, 2.0, 4.0, 2 - 2**0.5])
    assert_close(feature_discrepancy(expert, apprentice)[0, 0, 0], expected)


def test_weights_with_gamma_two() -> None:
    """Normal: m = (1 + 3 + 2) / 3 = 2, weights 1/4, 9/4, 1. Synthetic: m = 0.5, weight 1."""
    assert_close(overlap_weights(D, ONE, 2.0), maps([0.25, 2.25], [1.0, 1.0]))


def test_weights_with_gamma_one() -> None:
    """Normal: m = 1.5, weights 2/3, 4/3. Synthetic: m = 1.75, weights 1.75 / 3 and 1.75 / 0.5."""
    assert_close(overlap_weights(D, TWO, 1.0), maps([2 / 3, 1.75 / 3], [4 / 3, 3.5]))


def test_gamma_zero_counts_all_alike() -> None:
    assert torch.equal(overlap_weights(D, TWO, 0.0), torch.ones_like(D))


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (0.0, 2 * (1 + 3 + 2 - 0.5) / 4),
        (1.0, 2 * (0.5 * 1 + 1.5 * 3 + 1 * 2 - 1 * 0.5) / (0.5 + 1.5 + 1 + 1)),
        (2.0, 2 * (0.25 * 1 + 2.25 * 3 + 1 * 2 - 1 * 0.5) / (0.25 + 2.25 + 1 + 1)),
    ],
)
def test_loss_of_a_mixed_batch(gamma: float, expected: float) -> None:
    assert collaborative_loss(D, ONE, gamma).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (0.0, 2 * (1 + 3 + 2 + 0.5) / 4),
        (1.0, 2 * (1 + 9 + 4 + 0.25) / (1 + 3 + 2 + 0.5)),  # m cancels
        (2.0, 2 * (1 + 27 + 8 + 0.125) / (1 + 9 + 4 + 0.25)),
    ],
)
def test_loss_of_a_batch_without_synthetic_pixels(gamma: float, expected: float) -> None:
    assert collaborative_loss(D, torch.zeros_like(D), gamma).item() == pytest.approx(expected)


def test_loss_of_a_batch_without_normal_pixels() -> None:
    loss = collaborative_loss(D, torch.ones_like(D), 1.0)
    assert loss.item() == pytest.approx(-2 * 4 / (1 + 1 / 3 + 1 / 2 + 2))  # m cancels: sum of 1 over sum of 1 / d


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("mask", [torch.zeros_like(D), ONE, torch.ones_like(D)], ids=["normal", "mixed", "synthetic"])
def test_agreement_without_remainder_is_defined(gamma: float, mask: Tensor) -> None:
    d = torch.zeros_like(D).requires_grad_()
    loss = collaborative_loss(d, mask, gamma)
    loss.backward()
    assert loss.item() == 0
    assert d.grad is not None
    assert d.grad.isfinite().all()


def test_gradient_goes_down_at_normal_and_up_at_synthetic_positions_through_no_weight() -> None:
    """With detached weights it is +-w B / sum of w."""
    d = D.clone().requires_grad_()
    collaborative_loss(d, ONE, 2.0).backward()
    weights = overlap_weights(D, ONE, 2.0)
    assert_close(d.grad, (1 - 2 * ONE) * weights * 2 / weights.sum())


def test_a_larger_gamma_moves_the_weight_into_the_overlap() -> None:
    """Normal positions of high and synthetic ones of low discrepancy count for more and more."""
    shares = [overlap_weights(D, TWO, gamma) / overlap_weights(D, TWO, gamma).sum() for gamma in (0.0, 1.0, 2.0, 3.0)]
    for place in ((0, 0, 0, 1), (0, 0, 0, 0)):  # a synthetic one of high, a normal one of low discrepancy
        values = [float(share[place]) for share in shares]
        assert values == sorted(values, reverse=True)
    assert float(shares[-1][1, 0, 0, 1]) > float(shares[0][1, 0, 0, 1])
