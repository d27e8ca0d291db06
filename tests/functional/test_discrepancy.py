"""Discrepancies against numpy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator

from medad.functional.discrepancy import gap, over_channels, spread


def drawn(members: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(members, 2, 3, 4, 5, generator=Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("members", [2, 3, 7])
def test_spread_is_the_unbiased_standard_deviation(members: int) -> None:
    found = spread(drawn(members))
    assert found.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(found.numpy(), np.std(drawn(members).numpy(), axis=0, ddof=1), rtol=1e-12)


def test_spread_by_hand() -> None:
    # mean 4, deviations -3, 1, 2: sqrt((9 + 1 + 4) / 2)
    members = torch.tensor([1.0, 5.0, 6.0], dtype=torch.float64).view(3, 1, 1, 1, 1)
    assert spread(members).item() == pytest.approx(7**0.5)


def test_spread_of_one_network_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(ValueError, match=r"at least 2 networks, got 1.*members"):
        spread(drawn(1))


@pytest.mark.parametrize(("first", "second"), [(3, 3), (1, 4)])
def test_gap_is_between_the_means(first: int, second: int) -> None:
    one, two = drawn(first, 1), drawn(second, 2)
    np.testing.assert_allclose(gap(one, two).numpy(), np.abs(one.numpy().mean(0) - two.numpy().mean(0)), rtol=1e-12)
    assert torch.equal(gap(one, two), gap(two, one))


def test_over_channels_is_the_mean_that_keeps_the_axis() -> None:
    maps = drawn(3)
    assert over_channels(maps).shape == (3, 2, 1, 4, 5)
    np.testing.assert_allclose(over_channels(maps).numpy(), maps.numpy().mean(2, keepdims=True), rtol=1e-12)
    gray = maps[0, :, :1]
    assert torch.equal(over_channels(gray), gray)
