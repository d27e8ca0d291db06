"""Pixel statistics on images whose statistics are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medad.functional.image_statistics import STATISTICS, image_statistics


def named(pixels: np.ndarray) -> dict[str, float]:
    return dict(zip(STATISTICS, image_statistics(pixels).tolist(), strict=True))


def test_noise_and_sharpness_of_white_noise() -> None:
    """The Laplacian of noise with deviation s has deviation sqrt(20) s; the estimate of the noise is s."""
    pixels = np.random.default_rng(0).normal(0.5, 0.02, (200, 220))
    found = named(pixels)
    assert found["noise"] == pytest.approx(0.02, rel=0.05)
    assert found["laplacian"] == pytest.approx(20**0.5 * 0.02, rel=0.05)
    assert found["std"] == pytest.approx(0.02, rel=0.05)
    blurred = named(ndimage.gaussian_filter(pixels, 1.0))
    assert blurred["sharpness"] < 0.7 * found["sharpness"]


def test_border_shares_and_percentiles() -> None:
    pixels = np.full((224, 224), 0.5)
    pixels[8:-8, 8:-8] = 0.0
    pixels[100:110, 100:110] = 1.0
    found = named(pixels)
    assert (found["border_mean"], found["border_std"]) == (0.5, 0.0)
    assert found["at_maximum"] == pytest.approx(100 / 224**2)
    assert found["at_minimum"] == pytest.approx((208**2 - 100) / 224**2)
    assert (found["p50"], found["p99"]) == (0.0, 0.5)
    assert found["levels"] == pytest.approx(np.log2(3))
    assert found["mean"] == pytest.approx(pixels.mean())


def test_a_ramp_has_one_gradient() -> None:
    found = named(np.tile(np.arange(100) / 200, (90, 1)))
    assert found["gradient_x"] == pytest.approx(1 / 200)
    for name in ("gradient_y", "laplacian", "noise"):
        assert found[name] == pytest.approx(0, abs=1e-12)


def test_a_large_image_is_described_at_the_scale_of_a_small_one() -> None:
    small = np.random.default_rng(1).random((224, 224))
    large = np.kron(small, np.ones((3, 3)))
    assert np.allclose(image_statistics(small)[:-1], image_statistics(large)[:-1])


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 1)])
def test_tiny_images_have_finite_statistics(shape: tuple[int, int]) -> None:
    assert np.isfinite(image_statistics(np.zeros(shape))).all()
