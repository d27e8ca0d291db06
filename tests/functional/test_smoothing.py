"""Gaussian smoothing and the top share of pixels, against SciPy and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.testing import assert_close

from medad.functional.pooling import top_mean
from medad.functional.smoothing import gaussian


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (20, 45), (5, 3), (1, 1)])  # smaller than the kernel, too
def test_equal_to_scipy_with_its_mode_reflect(height: int, width: int, sigma: float) -> None:
    maps = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(0))
    expected = np.stack([gaussian_filter(one[0].numpy(), sigma, mode="reflect")[None] for one in maps])
    assert_close(gaussian(maps, sigma), torch.from_numpy(expected), rtol=1e-5, atol=1e-6)


def test_the_mean_is_kept_and_no_smoothing_changes_nothing() -> None:
    maps = torch.rand(1, 1, 30, 30, generator=torch.Generator().manual_seed(1))
    assert_close(gaussian(maps, 4.0).mean(), maps.mean())
    assert gaussian(maps, 0.0) is maps


def test_top_share_of_pixels() -> None:
    """1 % of 400 pixels are 4."""
    maps = torch.zeros(2, 1, 20, 20)
    maps[0].flatten()[[3, 77, 200, 399, 5]] = torch.tensor([8.0, 4.0, 2.0, 6.0, 1.0])
    assert top_mean(maps, 0.01).tolist() == [5.0, 0.0]
    assert top_mean(maps, 0.005).tolist() == [7.0, 0.0]
    assert top_mean(maps, 1e-9).tolist() == [8.0, 0.0]  # at least one
    assert top_mean(maps, 1.0).tolist() == pytest.approx([21 / 400, 0.0])
